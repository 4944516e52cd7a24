import type { Board } from '../board.ts'
import { chosen, metricsWith } from '../queries.ts'

const { of, rate, increase, p95, percentiles } = metricsWith(chosen)

export const index: Board = {
  name: 'index',
  title: 'Millrace / Index and sink',
  description: 'What is written to the index and to topics, how long it takes, and what fails.',
  rows: [
    {
      title: 'Writes',
      panels: [
        {
          title: 'Operations',
          description: 'Points written, payloads updated and points deleted, a second.',
          unit: 'ops',
          queries: [{ expr: `sum by (index, op) (${rate('sink_operations_total')})`, legend: '{{op}} {{index}}' }],
        },
        {
          title: 'Requests',
          description: 'Requests that were to change the index. Failed ones were sent again.',
          unit: 'ops',
          queries: [
            { expr: `sum by (index, result) (${rate('sink_requests_total')})`, legend: '{{result}} {{index}}' },
          ],
        },
        {
          title: 'Operations of a request',
          description:
            'Small requests under load: partitions have few documents, or the index is faster than the model.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (index) (${rate('sink_operations_total')}) / sum by (index) (${rate('sink_requests_total')})`,
              legend: '{{index}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Time and errors',
      panels: [
        {
          title: 'Time until acknowledged',
          description: 'From handing a document to the writer until the index has it, repeats included.',
          unit: 's',
          queries: percentiles('sink_write_duration_seconds', 'index'),
        },
        {
          title: 'Newest change',
          description:
            'How long ago the newest version that a search finds was made. It grows when nothing comes, and when nothing gets through.',
          unit: 's',
          queries: [
            {
              expr: `time() - max by (index) (${of('newest_change_timestamp_seconds')})`,
              legend: '{{index}}',
            },
          ],
        },
        {
          title: 'Failed requests',
          description: 'Part of the requests that failed for a reason that passes.',
          unit: 'percentunit',
          queries: [
            {
              expr: `sum by (index) (${rate('sink_requests_total', 'result="failed"')}) / sum by (index) (${rate('sink_requests_total')})`,
              legend: '{{index}}',
            },
          ],
        },
        {
          title: 'Drift',
          description:
            'Documents whose points were not in the index as remembered: somebody else has written or deleted there.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (node) (${increase('record_retries_total', 'code="INDEX_DRIFTED"', '$__rate_interval')})`,
              legend: '{{node}}',
            },
          ],
        },
        {
          title: 'Last audit',
          description:
            'Points that were missing, of no document, old, or of another application when `millrace audit --metrics-file` last looked.',
          unit: 'short',
          queries: [{ expr: of('index_drift_points'), legend: '{{kind}} {{index}}', mayBeEmpty: true }],
        },
        {
          title: 'Latency to topics',
          description: 'From the timestamp of a record to its acknowledgement by an output topic.',
          unit: 's',
          queries: [{ expr: p95('record_e2e_latency_seconds', ['node']), legend: 'p95 {{node}}', mayBeEmpty: true }],
        },
      ],
    },
  ],
}
