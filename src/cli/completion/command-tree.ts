import type { Command, Option } from 'commander'

/** An option as a shell offers it. */
export interface CompletedOption {
  /** `--json`, `-k`: every way to write it. */
  readonly flags: readonly string[]
  readonly description: string
  /** A word follows it. */
  readonly takesValue: boolean
  /** All that may follow; empty where it may be anything, a file for one. */
  readonly choices: readonly string[]
}

/** A command of the tree. */
export interface CompletedCommand {
  /** From the root: `/dlq/list`; empty for the root itself. */
  readonly path: string
  readonly inner: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly CompletedOption[]
  /** All that its arguments may be; empty where they may be anything. */
  readonly choices: readonly string[]
}

/** The commands of a program, the root first, with what its help shows of each. */
export function completedCommands(command: Command, path = ''): readonly CompletedCommand[] {
  const help = command.createHelp()
  const inner = help.visibleCommands(command)
  const own: CompletedCommand = {
    path,
    inner: inner.map((each) => ({ name: each.name(), description: oneLine(each.description()) })),
    options: help.visibleOptions(command).map(completedOption),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  }
  return [own, ...inner.flatMap((each) => completedCommands(each, `${path}/${each.name()}`))]
}

function completedOption({ short, long, description, required, optional, argChoices = [] }: Option): CompletedOption {
  return {
    flags: [long, short].filter((flag) => flag !== undefined),
    description: oneLine(description),
    takesValue: required || optional,
    choices: argChoices,
  }
}

/** Nothing that a shell would read as anything but text of a single-quoted word. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll("'", '’')
}
