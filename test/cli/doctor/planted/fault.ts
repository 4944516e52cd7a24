import type { TopicSpec } from '../../../../src/runtime/broker.ts'
import type { DoctorBench } from '../../../support/doctor-bench.ts'

/** One thing that is wrong, and what doctor has to say of it. */
export interface Fault {
  readonly name: string
  /** Breaks what is in order. */
  readonly plant: (bench: DoctorBench) => unknown
  readonly topics?: readonly TopicSpec[]
  readonly expected: { readonly level: string; readonly check: string; readonly fact: RegExp; readonly fix: RegExp }
}
