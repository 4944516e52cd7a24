import type { Board } from '../board.ts'
import { chosen, metricsWith } from '../queries.ts'

const { of, rate, mean, percentiles } = metricsWith(chosen)

export const runtime: Board = {
  name: 'runtime',
  title: 'Millrace / Runtime',
  description: 'The process: state, work loop, memory, processor, event loop.',
  rows: [
    {
      title: 'Instance',
      panels: [
        {
          title: 'State',
          description: 'Instances by state. Each should run: what starts or rebalances does so for a moment only.',
          unit: 'short',
          queries: [{ expr: `sum by (state) (${of('client_state')})`, legend: '{{state}}' }],
        },
        {
          title: 'Time of the work loop',
          description:
            'process: taking records. other: the rest of the event loop. blocked: a bound holds records back, so embedding or the index is the bottleneck.',
          unit: 'percentunit',
          queries: [
            {
              expr: `sum by (phase) (${rate('loop_seconds_total')}) / ignoring(phase) group_left sum(${rate('loop_seconds_total')})`,
              legend: '{{phase}}',
            },
          ],
        },
        {
          title: 'Last poll',
          description: 'How long ago the work loop asked for records. A loop that waits for some asks all the time.',
          unit: 's',
          queries: [{ expr: `time() - ${of('last_poll_timestamp_seconds')}`, legend: '{{instance}}' }],
        },
        {
          title: 'Time of a poll',
          description:
            'From asking the log for records to its answer. A quarter of a second: Kafka had none to give. More than that: brokers or the network are slow.',
          unit: 's',
          queries: percentiles('poll_duration_seconds'),
        },
        {
          title: 'Records of a batch',
          description: 'Records that one partition gave to a poll that found some, on average.',
          unit: 'short',
          queries: [{ expr: mean('poll_records'), legend: 'records' }],
        },
        {
          title: 'Records by node',
          description: 'Only with `--metrics debug`.',
          unit: 'ops',
          queries: [
            {
              expr: `sum by (node, direction) (${rate('node_records_total')})`,
              legend: '{{node}} {{direction}}',
              mayBeEmpty: true,
            },
          ],
        },
      ],
    },
    {
      title: 'Process',
      panels: [
        {
          title: 'Memory',
          description:
            'rss against the limit of the container or machine; heap_used against that of JavaScript. external: buffers and models.',
          unit: 'bytes',
          queries: [
            { expr: `max by (kind) (${of('memory_bytes')})`, legend: '{{kind}}' },
            { expr: `min by (kind) (${of('memory_limit_bytes')})`, legend: 'limit of {{kind}}' },
          ],
        },
        {
          title: 'Processor',
          description: 'Cores in use, of all threads.',
          unit: 'short',
          queries: [{ expr: `sum by (mode) (${rate('cpu_seconds_total')})`, legend: '{{mode}}' }],
        },
        {
          title: 'Event loop delay',
          description: 'How late the event loop was between two scrapes. Heartbeats and probes wait as long.',
          unit: 's',
          queries: [{ expr: `max by (percentile) (${of('event_loop_delay_seconds')})`, legend: 'p{{percentile}}' }],
        },
      ],
    },
  ],
}
