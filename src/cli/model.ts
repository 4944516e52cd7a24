import { Command } from 'commander'
import { modelAddCommand } from './model/add.ts'
import { modelBenchCommand } from './model/bench.ts'
import { modelListCommand } from './model/list.ts'
import { modelVerifyCommand } from './model/verify.ts'

/** The models that `--model` may name. */
export function modelCommand(): Command {
  const command = new Command('model').description('List, add, verify and measure embedding models.')
  for (const inner of [modelListCommand(), modelAddCommand(), modelVerifyCommand(), modelBenchCommand()])
    command.addCommand(inner)
  return command
}
