import type { ProcessorSupplier, Sink, StreamHandle } from './processor.ts'
import type { TopicTarget } from './source.ts'

/** What a Stream asks of its builder. */
export interface StreamGraph {
  process(parent: string, supplier: ProcessorSupplier<never, never, unknown, unknown>): string
  to(parent: string, name: string, target: TopicTarget<unknown, unknown> | Sink<unknown, unknown>): void
}

/**
 * Records on their way through a topology. A handle only: each step returns a new one, and the types of key and value flow along.
 *
 * @example
 * builder.stream('views', kafka({ topic: 'views', key: string, value: json(View) }))
 *   .process(filter('humans', (view) => !view.bot))
 *   .to('humans-only', kafkaTopic({ topic: 'human-views', key: string, value: json(View) }))
 */
export class Stream<K, V> implements StreamHandle {
  readonly name: string
  readonly #graph: StreamGraph

  constructor(name: string, graph: StreamGraph) {
    this.name = name
    this.#graph = graph
  }

  /** Adds one step: what an operator returned, or a ProcessorSupplier of your own. */
  process<KOut, VOut>(supplier: ProcessorSupplier<K, V, KOut, VOut>): Stream<KOut, VOut> {
    return new Stream<KOut, VOut>(this.#graph.process(this.name, supplier), this.#graph)
  }

  /** Ends the stream in a topic or an index. */
  to(name: string, target: TopicTarget<K, V> | Sink<K, V>): void {
    this.#graph.to(this.name, name, target)
  }
}
