import { context, propagation, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { NodeContexts } from './node-contexts.ts'

/** The SDK of OpenTelemetry, registered until it is disposed of; keeps every span that has ended. */
export class RecordedSpans implements Disposable {
  readonly #exporter = new InMemorySpanExporter()

  constructor() {
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] })
    trace.setGlobalTracerProvider(provider)
    context.setGlobalContextManager(new NodeContexts())
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  }

  get all(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }

  named(name: string): readonly ReadableSpan[] {
    return this.all.filter((span) => span.name === name)
  }

  /** The only span of that name. */
  one(name: string): ReadableSpan {
    const [span, ...others] = this.named(name)
    if (!span || others.length > 0)
      throw new Error(`${others.length + (span ? 1 : 0)} spans "${name}" among ${this.all.map((other) => other.name)}`)
    return span
  }

  [Symbol.dispose](): void {
    trace.disable()
    context.disable()
    propagation.disable()
  }
}
