import { basename } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { type RuntimeSettings, type RuntimeSettingsInput, runtimeSettings } from '../config.ts'
import { nearestName } from '../nearest-name.ts'
import { type KafkaOptions, withKafkaOptions } from './kafka-options.ts'
import type { Program } from './load-program.ts'

/** What commands about a program that runs on Kafka take beside its file. */
export interface ProgramOptions extends KafkaOptions {
  readonly application?: string
  readonly state?: string
  readonly set: Partial<RuntimeSettings>
}

export function withProgramOptions(command: Command): Command {
  return withKafkaOptions(command)
    .option(
      '--application <name>',
      'names consumer group, internal topics and state (default: that of the pipeline, else the file without its ending)',
    )
    .option('--state <folder>', 'folder for the local stores (default: that of the pipeline, else .millrace/state)')
    .option('--set <name=value>', 'a setting of the runtime (docs/reference.md), repeatable', collectSetting, {})
}

/** The settings of a program: those of its file, under those of the options. */
export function settingsOf(program: Program, file: string, options: ProgramOptions): RuntimeSettingsInput {
  return {
    ...program.settings,
    application: options.application ?? applicationOf(program, file),
    ...(options.state !== undefined && { stateDirectory: options.state }),
    ...options.set,
  }
}

/** What a program is called unless an option says otherwise: as in the pipeline, else like the file without its ending. */
export function applicationOf({ settings }: Pick<Program, 'settings'>, file: string): string {
  return settings?.application ?? basename(file).replace(/\.[^.]*$/, '')
}

/** `commitIntervalMs=500` -> { commitIntervalMs: 500 }; the values themselves are checked with all other settings. */
function collectSetting(text: string, previous: Partial<RuntimeSettings>): Partial<RuntimeSettings> {
  const [name = '', ...rest] = text.split('=')
  if (!(name in runtimeSettings.shape) || rest.length === 0) {
    const known = Object.keys(runtimeSettings.shape)
    const nearest = nearestName(name, known)
    const hint = nearest === undefined || nearest === name ? '' : `Did you mean ${nearest}? `
    throw new InvalidArgumentError(`${hint}Known are ${known.join(', ')}, as name=value.`)
  }
  return { ...previous, [name]: settingValue(name as keyof RuntimeSettings, rest.join('=')) }
}

/** A number where the setting takes no text, so that what is said about it is about the number. */
function settingValue(name: keyof RuntimeSettings, text: string): string | number {
  const isText = runtimeSettings.shape[name].safeParse(text).success
  return isText || text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
}
