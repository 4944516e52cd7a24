import { type StreamRecord, withValue } from '../../record.ts'
import type { DropReason, ProcessorContext } from '../../topology/processor.ts'

/**
 * A join makes nothing of the record. Where the stream ends in an index that is a deletion there, as in `filter`: what stands under the key goes
 * with a tombstone. Everywhere else the record is left out, and counted where there is a reason.
 */
export function leaveOut<K, V>(
  record: StreamRecord<K, unknown>,
  context: ProcessorContext<K, V>,
  reason?: DropReason,
): void {
  if (context.maintainsIndex) context.forward(withValue<K, V>(record, null))
  else if (reason) context.drop(reason)
}
