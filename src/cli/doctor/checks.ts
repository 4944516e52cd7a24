import { advertised } from './advertised.ts'
import type { Check } from './check.ts'
import { group, history } from './group.ts'
import { indexes } from './indexes.ts'
import { kafka } from './kafka-connection.ts'
import { models } from './models.ts'
import { deadLetters, offsets } from './offsets.ts'
import { clock, records } from './records.ts'
import { rights } from './rights.ts'
import { memory, node } from './runtime-environment.ts'
import { disk, stateFolder } from './state-folder.ts'
import { timeouts } from './timeouts.ts'
import { changelogs, topics } from './topic-layout.ts'

/** All of them, in the order of the report. Of those that need the same thing, the first one tells why it cannot be had. */
export const checks: readonly Check[] = [
  node,
  stateFolder,
  disk,
  timeouts,
  kafka,
  advertised,
  topics,
  changelogs,
  memory,
  rights,
  group,
  history,
  offsets,
  deadLetters,
  clock,
  records,
  models,
  indexes,
]
