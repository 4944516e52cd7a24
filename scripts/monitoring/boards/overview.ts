import type { Board } from '../board.ts'
import { chosen, metricsWith } from '../queries.ts'

const { of, rate, increase, quantile, p95, percentiles, shareUpTo } = metricsWith(chosen)

export const overview: Board = {
  name: 'overview',
  title: 'Millrace / Overview',
  description: 'Is the index fresh, is anything left behind, does anything fail?',
  rows: [
    {
      title: 'At a glance',
      panels: [
        {
          title: 'Running instances',
          description:
            'Instances whose tasks all work. Fewer than you have started: some restore, rebalance or have failed.',
          unit: 'short',
          stat: true,
          queries: [{ expr: `sum(${of('client_state', 'state="running"')})` }],
        },
        {
          title: 'Freshness p95',
          description:
            'Of the versions that were written just now, 95 % were searchable within this time of their timestamp.',
          unit: 's',
          stat: true,
          queries: [{ expr: p95('freshness_seconds') }],
        },
        {
          title: 'Lag',
          description: 'How long ago the log ended where the slowest partition is committed.',
          unit: 's',
          stat: true,
          queries: [{ expr: `max(${of('consumer_lag_seconds')})` }],
        },
        {
          title: 'Documents',
          description: 'Versions of documents that were compared with the index, a second.',
          unit: 'ops',
          stat: true,
          queries: [{ expr: `sum(${rate('documents_total')})` }],
        },
        {
          title: 'Dead letters',
          description: 'Records that were given up in the time shown. Each is a document that is missing or old.',
          unit: 'short',
          stat: true,
          queries: [{ expr: `sum(${increase('dead_letters_total')})` }],
        },
        {
          title: 'Versions',
          description: 'Instances by the version that they run.',
          unit: 'short',
          stat: true,
          queries: [{ expr: `count by (version, node) (${of('build_info')})`, legend: '{{version}} (node {{node}})' }],
        },
      ],
    },
    {
      title: 'Freshness',
      panels: [
        {
          title: 'Freshness',
          description:
            'From the timestamp of a version at its source to its being searchable. Old documents that are written again count with their age.',
          unit: 's',
          queries: [
            ...percentiles('freshness_seconds', 'index'),
            { expr: quantile(0.99, 'freshness_seconds', ['index']), legend: 'p99 {{index}}' },
          ],
        },
        {
          title: 'Fresh within a minute',
          description:
            'Part of the versions that were searchable within 60 seconds. The alert on freshness looks at this.',
          unit: 'percentunit',
          queries: [{ expr: shareUpTo('60', 'freshness_seconds'), legend: 'within 60 s' }],
        },
        {
          title: 'Lag by topic',
          description: 'How long ago the log of each topic ended where its slowest partition is committed.',
          unit: 's',
          queries: [{ expr: `max by (topic) (${of('consumer_lag_seconds')})`, legend: '{{topic}}' }],
        },
      ],
    },
    {
      title: 'Documents',
      panels: [
        {
          title: 'Documents by outcome',
          description: 'duplicate: dropped before chunking. unchanged: every chunk was in the index already.',
          unit: 'ops',
          queries: [{ expr: `sum by (outcome) (${rate('documents_total')})`, legend: '{{outcome}}' }],
        },
        {
          title: 'Chunks by outcome',
          description: 'Only added ones are embedded. payload: the text is the same, what goes with it changed.',
          unit: 'ops',
          queries: [{ expr: `sum by (outcome) (${rate('chunks_total')})`, legend: '{{outcome}}' }],
        },
        {
          title: 'Embeddings saved',
          description:
            'Chunks that needed no run of the model. diff: in the index already. shared: an equal text was under way. cache: remembered.',
          unit: 'ops',
          queries: [{ expr: `sum by (cause) (${rate('embeddings_saved_total')})`, legend: '{{cause}}' }],
        },
      ],
    },
    {
      title: 'Errors',
      panels: [
        {
          title: 'Dead letters by code',
          description:
            'Records that were given up, by the error. See the dead-letter topic for the records themselves.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (code) (${increase('dead_letters_total', '', '$__rate_interval')}) > 0 or sum(${increase('dead_letters_total', '', '$__rate_interval')})`,
              legend: '{{code}}',
            },
          ],
        },
        {
          title: 'Records that are tried again',
          description:
            'A node failed them for a reason that passes. What lasts is an embedder or an index that is down.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (node, code) (${increase('record_retries_total', '', '$__rate_interval')})`,
              legend: '{{node}} {{code}}',
            },
          ],
        },
        {
          title: 'Dropped records',
          description:
            'null_key: records without a key cannot be kept in order. timestamp: negative times. late: their window is closed. skipped: the error handler says so.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (reason) (${increase('records_dropped_total', '', '$__rate_interval')})`,
              legend: '{{reason}}',
            },
          ],
        },
      ],
    },
  ],
}
