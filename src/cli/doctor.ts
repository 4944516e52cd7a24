import { Command } from 'commander'
import { parseSettings } from '../config.ts'
import { advertisedAddresses } from '../connectors/kafka/advertised-addresses.ts'
import type { KafkaBrokerOptions } from '../connectors/kafka/broker.ts'
import { checks } from './doctor/checks.ts'
import { examine, type Report } from './doctor/examine.ts'
import { openKafka } from './doctor/kafka-connection.ts'
import { thisMachine } from './doctor/machine.ts'
import { asLines, asText } from './doctor/report.ts'
import { type Subject, SubjectSources } from './doctor/sources.ts'
import { kafkaOptionsOf } from './kafka-options.ts'
import { loadProgram } from './load-program.ts'
import { type ProgramOptions, settingsOf, withProgramOptions } from './program-options.ts'
import { wholeNumber } from './whole-number.ts'

interface DoctorOptions extends ProgramOptions {
  readonly timeout: number
  readonly json?: true
}

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'Look for everything that keeps a pipeline or a topology from working, and say the fix; starts and writes nothing. Exit 1 for a problem.',
    )
    .argument(
      '[file]',
      'pipeline (.yaml), or topology file; without it this machine is looked at, and brokers that are named',
    )
  return withProgramOptions(command)
    .option('--timeout <seconds>', 'how long a check may take', wholeNumber, 60)
    .option('--json', 'one line {"check","level","fact","fix","code"} per finding')
    .action(doctor)
}

async function doctor(file: string | undefined, options: DoctorOptions): Promise<void> {
  const reports = await diagnose(await subjectOf(file, options), options.timeout * 1_000)
  process.stdout.write(options.json ? asLines(reports) : asText(reports))
  if (reports.some(({ level }) => level === 'problem')) process.exitCode = 1
}

/** Everything that there is to say about a program and where it runs. */
export async function diagnose(subject: Subject, limitMs: number): Promise<readonly Report[]> {
  await using subjects = new SubjectSources(subject)
  return await examine(checks, subjects.sources, { clock: subject.machine.clock, limitMs })
}

async function subjectOf(file: string | undefined, options: DoctorOptions): Promise<Subject> {
  if (file === undefined) {
    const { brokers, kafka } = options
    const isNamed = brokers !== undefined || kafka !== undefined || Boolean(process.env.KAFKA_BROKERS)
    return { machine: thisMachine, ...(isNamed && atKafka(await kafkaOptionsOf(options))) }
  }
  const program = await loadProgram(file)
  const settings = parseSettings(settingsOf(program, file, options))
  return {
    machine: thisMachine,
    program: { topology: program.topology, settings },
    ...atKafka(await kafkaOptionsOf(options, program)),
  }
}

/** What is to be looked at on a Kafka. */
export function atKafka(connection: KafkaBrokerOptions): Pick<Subject, 'openLog' | 'addresses'> {
  return { openLog: () => openKafka(connection), addresses: () => advertisedAddresses(connection) }
}
