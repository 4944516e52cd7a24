import type { Board } from '../board.ts'
import { chosen, metricsWith } from '../queries.ts'

const { of, rate, increase, p50, p95, percentiles } = metricsWith(chosen)

export const embedding: Board = {
  name: 'embedding',
  title: 'Millrace / Micro-batches and device',
  description: 'What the model is given, how full its batches are, and who waits for it.',
  rows: [
    {
      title: 'Work',
      panels: [
        {
          title: 'Texts and batches',
          description: 'Texts that were asked for, and batches that were run, a second.',
          unit: 'ops',
          queries: [
            { expr: `sum by (node) (${rate('embed_texts_total')})`, legend: 'texts {{node}}' },
            { expr: `sum by (node) (${rate('batches_total')})`, legend: 'batches {{node}}' },
          ],
        },
        {
          title: 'Tokens',
          description: 'Tokens that were run, a second, without padding: the measure of the work of a model.',
          unit: 'ops',
          queries: [{ expr: `sum by (node) (${rate('embed_tokens_total')})`, legend: '{{node}}' }],
        },
        {
          title: 'Time of tokenizing',
          description:
            'For the texts that were taken up together, about a millisecond of work. The event loop waits for it, unless the model has a tokenizer that needs a thread of its own: then the wait for that is in it.',
          unit: 's',
          queries: percentiles('tokenize_duration_seconds', 'node'),
        },
        {
          title: 'Models',
          description: 'Instances by the embedder and the device of each node. Two models for one node must not be.',
          unit: 'short',
          queries: [
            {
              expr: `count by (node, model, device) (${of('model_info')})`,
              legend: '{{node}} {{model}} on {{device}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Batches',
      panels: [
        {
          title: 'Texts of a batch',
          description: 'Small batches under load: texts differ in length, or batches are bounded too tightly.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (node) (${rate('embed_texts_total')}) / sum by (node) (${rate('batches_total')})`,
              legend: '{{node}}',
            },
          ],
        },
        {
          title: 'Texts and tokens of batches',
          description:
            'How full batches are, beside their mean: many small ones among full ones are what was left over, or waited long enough.',
          unit: 'short',
          queries: [
            { expr: p50('batch_texts', ['node']), legend: 'texts p50 {{node}}' },
            { expr: p50('batch_tokens', ['node']), legend: 'tokens p50 {{node}}' },
            { expr: p95('batch_tokens', ['node']), legend: 'tokens p95 {{node}}' },
          ],
        },
        {
          title: 'Why batches were run',
          description:
            'idle_device: the model keeps up. tokens or count: it is busy, and batches are full. timeout: it is busy with batches that are not. refused: parts of batches that the device did not take.',
          unit: 'ops',
          queries: [{ expr: `sum by (node, reason) (${rate('batches_closed_total')})`, legend: '{{reason}} {{node}}' }],
        },
        {
          title: 'Time of a batch',
          description: 'From giving a batch to the device, or the server, until its vectors are there.',
          unit: 's',
          queries: percentiles('batch_duration_seconds', 'node'),
        },
        {
          title: 'Failed batches',
          description:
            'Batches that gave no vectors; their texts are tried again, on another device where there is one.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (node) (${increase('batches_failed_total', '', '$__rate_interval')})`,
              legend: '{{node}}',
            },
          ],
        },
        {
          title: 'Padding',
          description: 'Part of what was run that was padding, since the start of the instance.',
          unit: 'percentunit',
          queries: [
            { expr: `max by (node, instance) (${of('batch_padding_ratio')})`, legend: '{{node}} {{instance}}' },
          ],
        },
        {
          title: 'Truncated texts',
          description: 'Texts that the model cannot read to their end, a second: make chunks smaller.',
          unit: 'ops',
          queries: [{ expr: `sum by (node) (${rate('embed_truncated_total')})`, legend: '{{node}}' }],
        },
      ],
    },
    {
      title: 'Waiting',
      panels: [
        {
          title: 'Wait for vectors',
          description: 'How long the new chunks of a document waited: in line, for company, for the device.',
          unit: 's',
          queries: percentiles('embed_duration_seconds', 'node'),
        },
        {
          title: 'Wait for a batch',
          description:
            'How long the oldest text of a batch waited in line: with all devices busy about `maxWaitMs`, more when they are not fast enough.',
          unit: 's',
          queries: percentiles('batch_wait_seconds', 'node'),
        },
        {
          title: 'Oldest wait',
          description:
            'How long the document waits for its vectors now that has waited longest. It grows when nothing is embedded.',
          unit: 's',
          queries: [
            { expr: `max by (node, instance) (${of('embed_queue_oldest_seconds')})`, legend: '{{node}} {{instance}}' },
          ],
        },
        {
          title: 'Documents and texts that wait',
          description:
            'More than the device can take at once: it is the bottleneck. Add devices or instances. Many texts of few documents: long ones.',
          unit: 'short',
          queries: [
            { expr: `sum by (node) (${of('embed_waiting_documents')})`, legend: 'documents {{node}}' },
            { expr: `sum by (node) (${of('embed_queue_texts')})`, legend: 'texts {{node}}' },
          ],
        },
        {
          title: 'Embedding errors',
          description: 'Documents whose embedding failed for a reason that passes, and is tried again.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (node, code) (${increase('record_retries_total', 'code=~"EMBED_.*"', '$__rate_interval')})`,
              legend: '{{node}} {{code}}',
            },
          ],
        },
      ],
    },
  ],
}
