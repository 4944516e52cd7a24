import type { Board } from '../board.ts'
import { chosen, metricsWith } from '../queries.ts'

const { of, rate, increase, p95, percentiles } = metricsWith(chosen)

export const tasks: Board = {
  name: 'tasks',
  title: 'Millrace / Tasks and state',
  description: 'Who works on what, how commits go, and what restores and rebalances cost.',
  rows: [
    {
      title: 'Tasks',
      panels: [
        {
          title: 'Tasks by state',
          description:
            'restoring: stores are not complete yet. suspended: in the middle of a rebalance. following: standbys.',
          unit: 'short',
          queries: [{ expr: `sum by (kind, state) (${of('tasks')})`, legend: '{{kind}} {{state}}' }],
        },
        {
          title: 'State of each task',
          description: 'Which task restores, and on which instance.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (task, state, instance) (${of('task_state')})`,
              legend: '{{task}} {{state}} on {{instance}}',
            },
          ],
        },
        {
          title: 'Members of the group',
          description: 'Instances that the group counts in.',
          unit: 'short',
          queries: [{ expr: `sum(${of('group_member')})`, legend: 'members' }],
        },
        {
          title: 'Lag by partition',
          description:
            'Offsets between what is committed and the end of the log. One partition above all others: one key, or one slow document.',
          unit: 'short',
          queries: [
            { expr: `max by (topic, partition) (${of('consumer_lag_records')})`, legend: '{{topic}}-{{partition}}' },
          ],
        },
        {
          title: 'Records by task',
          description: 'Records that were taken from the log, a second.',
          unit: 'ops',
          queries: [{ expr: `sum by (task) (${rate('records_processed_total')})`, legend: '{{task}}' }],
        },
        {
          title: 'In flight',
          description: 'Records that were taken and are not done. At `maxInFlightRecords` a task takes no more.',
          unit: 'short',
          queries: [{ expr: `sum by (task) (${of('in_flight_records')})`, legend: '{{task}}' }],
        },
        {
          title: 'Time of a record',
          description:
            'From taking a record to its being done: waiting for its key, embedding, and writing to the index.',
          unit: 's',
          queries: percentiles('process_duration_seconds'),
        },
        {
          title: 'Late records',
          description:
            'How much older late records were than the newest before them in their task: windows close after their grace, and drop what is later.',
          unit: 's',
          queries: percentiles('record_lateness_seconds'),
        },
        {
          title: 'Queued',
          description: 'Bytes that were fetched and not taken. At `maxQueuedBytes` a partition is paused.',
          unit: 'bytes',
          queries: [{ expr: `sum by (task) (${of('queued_bytes')})`, legend: '{{task}}' }],
        },
      ],
    },
    {
      title: 'Rebalances',
      panels: [
        {
          title: 'Rebalances',
          description:
            'Assignments by what they followed. More than one for each start or stop of an instance is worth a look.',
          unit: 'short',
          queries: [
            { expr: `sum by (reason) (${increase('rebalances_total', '', '$__rate_interval')})`, legend: '{{reason}}' },
          ],
        },
        {
          title: 'Time of a rebalance',
          description:
            'From its begin to its assignment: committing what is in flight, and waiting for the slowest member. After lost it is the time of a join.',
          unit: 's',
          queries: [{ expr: p95('rebalance_duration_seconds', ['reason']), legend: 'p95 {{reason}}' }],
        },
      ],
    },
    {
      title: 'Commits',
      panels: [
        {
          title: 'Commits by result',
          description: 'A failed one ends its task, which starts again from what is committed.',
          unit: 'ops',
          queries: [{ expr: `sum by (result) (${rate('commits_total')})`, legend: '{{result}}' }],
        },
        {
          title: 'Time of a commit',
          description: 'Changelogs, offsets and local store, after the index has everything.',
          unit: 's',
          queries: percentiles('commit_duration_seconds'),
        },
        {
          title: 'Oldest uncommitted record',
          description:
            'How long the oldest record that was taken has waited. It grows while the embedder or the index is down.',
          unit: 's',
          queries: [{ expr: `max by (task) (${of('uncommitted_age_seconds')})`, legend: '{{task}}' }],
        },
        {
          title: 'Open generations',
          description: 'At `maxOpenGenerations` nothing is cut until the oldest is committed.',
          unit: 'short',
          queries: [{ expr: `max by (task) (${of('generations_open')})`, legend: '{{task}}' }],
        },
        {
          title: 'Changelog records',
          description: 'Written by store, a second.',
          unit: 'ops',
          queries: [{ expr: `sum by (store) (${rate('changelog_produce_total')})`, legend: '{{store}}' }],
        },
      ],
    },
    {
      title: 'Stores',
      panels: [
        {
          title: 'Size of stores',
          description: 'About what the entries take on disk, of all tasks together.',
          unit: 'bytes',
          queries: [{ expr: `sum by (store) (${of('store_size_bytes')})`, legend: '{{store}}' }],
        },
        {
          title: 'Held until the commit',
          description: 'Memory of changes that are not committed. At `maxGenerationBytes` a generation is cut early.',
          unit: 'bytes',
          queries: [{ expr: `sum by (store) (${of('store_held_bytes')})`, legend: '{{store}}' }],
        },
        {
          title: 'Reads that went past the cache',
          description:
            'Part of the keys that neither the open generations nor the cache knew. New documents are always among them.',
          unit: 'percentunit',
          queries: [
            {
              expr: `sum by (store) (${rate('store_reads_total', 'from="bytes"')}) / sum by (store) (${rate('store_reads_total')})`,
              legend: '{{store}}',
            },
          ],
        },
        {
          title: 'Time of store operations',
          description:
            'The slow end, by method. Only with `--metrics debug`. A get that takes milliseconds waits for the disk; of walks it is the time of all their steps.',
          unit: 's',
          queries: [
            {
              expr: p95('store_op_duration_seconds', ['store', 'op']),
              legend: 'p95 {{op}} {{store}}',
              mayBeEmpty: true,
            },
          ],
        },
      ],
    },
    {
      title: 'Restores and disk',
      panels: [
        {
          title: 'Left to restore',
          description: 'Offsets that restores still have to read, by store.',
          unit: 'short',
          queries: [{ expr: `sum by (store) (${of('restore_remaining_records')})`, legend: '{{store}}' }],
        },
        {
          title: 'Restored',
          description: 'Changelog records, a second.',
          unit: 'ops',
          queries: [{ expr: `sum by (store) (${rate('restore_records_total')})`, legend: '{{store}}' }],
        },
        {
          title: 'Time of a restore',
          description: 'How long it took to complete the stores of a task.',
          unit: 's',
          queries: [{ expr: p95('restore_duration_seconds'), legend: 'p95' }],
        },
        {
          title: 'Standby lag',
          description: 'Offsets that standbys have not read. What is left here is what a take-over has to restore.',
          unit: 'short',
          queries: [
            {
              expr: `max by (task, store) (${of('standby_lag_records')})`,
              legend: '{{task}} {{store}}',
              mayBeEmpty: true,
            },
          ],
        },
        {
          title: 'Lag of global tables',
          description: 'Records of their topics that instances have not read: joins do not see them yet.',
          unit: 'short',
          queries: [
            { expr: `max by (table) (${of('global_table_lag_records')})`, legend: '{{table}}', mayBeEmpty: true },
          ],
        },
        {
          title: 'Records of global tables',
          description: 'Read, a second, over all instances; and those that make no row, by why.',
          unit: 'ops',
          queries: [
            { expr: `sum by (table) (${rate('global_table_records_total')})`, legend: '{{table}}', mayBeEmpty: true },
            {
              expr: `sum by (table, reason) (${rate('global_table_dropped_total')})`,
              legend: '{{table}} {{reason}}',
              mayBeEmpty: true,
            },
          ],
        },
        {
          title: 'Disk of the state folder',
          description: 'A full disk ends the instance (STATE_IO).',
          unit: 'bytes',
          queries: [
            { expr: `min by (instance) (${of('state_disk_free_bytes')})`, legend: 'free {{instance}}' },
            { expr: `max by (instance) (${of('state_disk_size_bytes')})`, legend: 'size {{instance}}' },
          ],
        },
      ],
    },
  ],
}
