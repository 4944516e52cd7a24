import { Command } from 'commander'
import { dlqListCommand } from './dlq/list.ts'
import { dlqPurgeCommand } from './dlq/purge.ts'
import { dlqRedriveCommand } from './dlq/redrive.ts'
import { dlqShowCommand } from './dlq/show.ts'

/** The records that were given up. */
export function dlqCommand(): Command {
  const command = new Command('dlq').description('List, show, redrive and purge dead letters.')
  for (const inner of [dlqListCommand(), dlqShowCommand(), dlqRedriveCommand(), dlqPurgeCommand()])
    command.addCommand(inner)
  return command
}
