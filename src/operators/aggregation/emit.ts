import type { Headers } from '../../record.ts'
import type { WindowEntry } from '../../state/store.ts'
import type { ProcessorContext } from '../../topology/processor.ts'
import type { SendUpdate } from '../../topology/updates.ts'
import type { Windowed } from '../../windowed.ts'

/**
 * When results go out: with every record, or once a window, with the record that closes it. What closes a window is looked at before that
 * record is stored, so that no result is lost however far time jumps.
 */
export type Emit = 'update' | 'window-close'

/** How the results of windows go out. */
export interface WindowResults<K, A> {
  readonly emit: Emit
  /** For updates. */
  readonly send: SendUpdate<Windowed<K>, A, A>
}

export function forwardClosed<K, A>(
  closed: Iterable<readonly [key: K, entry: WindowEntry<A>]>,
  sizeMs: number,
  { context, headers }: { readonly context: ProcessorContext<Windowed<K>, A>; readonly headers: Headers },
): void {
  for (const [key, { startMs, value, timestamp }] of closed) {
    context.forward({ key: { key, window: { startMs, endMs: startMs + sizeMs } }, value, timestamp, headers })
  }
}
