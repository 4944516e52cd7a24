import {
  branches,
  count,
  filter,
  flatMapValues,
  joinByForeignKey,
  joinTable,
  latest,
  leftJoinGlobalTable,
  leftJoinStream,
  map,
  mapValues,
  merge,
  peek,
  reduce,
  repartition,
} from '../src/operators/index.ts'
import { withValue } from '../src/record.ts'
import { nullable, string } from '../src/serde.ts'
import { keyValueStore } from '../src/state/store-specs.ts'
import type { ProcessorSupplier } from '../src/topology/processor.ts'
import { isEven, num } from './functions.ts'
import { type AnyStream, anyJson, type PlayedTopology } from './played-topology.ts'
import type { Recording } from './recording.ts'

type Step = ProcessorSupplier<string | null, unknown, string | null, unknown>

const inMemory = { storage: 'memory' } as const

/**
 * The topology that a recording describes in Java; undefined when it is none of these. What got its name there from a counter has that name
 * here because we give it; what derives from the name of a step here is called otherwise.
 */
export function namedTopology({ topology }: Recording): ((played: PlayedTopology) => void) | undefined {
  const { java } = topology
  return typeof java === 'string' ? topologies[java] : undefined
}

const topologies: Readonly<Record<string, (played: PlayedTopology) => void>> = {
  'as naming_opt_reuse without optimization': (played) => {
    const stream = played.stream()
    const by = (_: unknown, key: string | null) => `x${key}`
    played.to(stream.process(count('C1', { by, ...inMemory })), 'o1')
    const sums = reduce('R1', (sum: unknown, value): unknown => num(sum) + num(value), { by, ...inMemory })
    played.to(stream.process(sums), 'o2')
    played.to(played.table('TT', 'in2', 'memory').toStream(), 'o3')
  },
  't1=table(in); t2=table(in2); t1.join(t2,J).toStream().to(o1); t1.join(t2, fkExtractor, J).toStream().to(o2); t1.groupBy(..).count().toStream().to(o3); t1.mapValues(f).filter(p).toStream().to(o4)':
    (played) => {
      const left = played.table('in-STATE-STORE-0000000000', 'in', 'memory')
      const right = played.table('in2-STATE-STORE-0000000003', 'in2', 'memory')
      played.to(left.process(joinTable('joined', right, pair)).toStream(), 'o1')
      const foreign = joinByForeignKey('foreign', right, pair, { by: (value) => `f${value}`, store: { value: string } })
      played.to(left.process(foreign).toStream(), 'o2')
      const counts = count('KTABLE-AGGREGATE-STATE-STORE-0000000028', { by: (value) => `g${value}`, ...inMemory })
      played.to(left.process(counts).toStream(), 'o3')
      const same = left.process(mapValues('same', (value) => value)).process(filter('all', () => true))
      played.to(same.toStream(), 'o4')
    },
  'l=in.map(..); r=stream(in2); l.leftJoin(r, J, JoinWindows 100 grace 10, StreamJoined.with(serdes)).to(out); l.join(table(t3), J).to(o2) ; in3 unused':
    (played) => {
      const left: AnyStream = played
        .stream()
        .process(map('prefixed', (key, value) => [`x${key}`, value] as const))
        .process(repartition('KSTREAM-MAP-0000000001', { key: string, value: anyJson }))
      const within = { beforeMs: 100, afterMs: 100, graceMs: 10 }
      played.joinStores
        .set('streams-left', 'KSTREAM-JOINTHIS-0000000008-store')
        .set('streams-right', 'KSTREAM-OUTEROTHER-0000000009-store')
      const serdes = { left: anyJson, right: anyJson, ...inMemory }
      played.to(left.process(leftJoinStream('streams', played.stream('in2'), pair, { within, ...serdes })))
      played.to(left.process(joinTable('rows', played.table('t3-STATE-STORE-0000000012', 't3', 'memory'), pair)), 'o2')
    },
  'g=globalTable(in2); s=in; br=s.split().branch(p).branch(q).defaultBranch(); each to o1,o2,o3; s.leftJoin(g, sel, J).merge(s).peek(f).to(o4); s.process(P).flatMapValues(..).toTable().toStream().to(o5)':
    (played) => {
      const table = played.globalTable('in2-STATE-STORE-0000000000', 'in2', 'memory')
      const stream = played.stream()
      const parted = stream.split(branches('by', { odd: (value) => !isEven(value), even: isEven, rest: () => true }))
      played.to(parted.odd, 'o1')
      played.to(parted.even, 'o2')
      played.to(parted.rest, 'o3')
      const joined: AnyStream = stream.process(leftJoinGlobalTable('joined', table, pair, { by: (_, key) => key }))
      played.to(joined.process(merge('both', stream)).process(peek('seen', () => undefined)), 'o4')
      const rows = stream
        .process(timed('timed'))
        .process(flatMapValues('flat', (value) => [value]))
        .process(repartition('KSTREAM-TOTABLE-0000000017', { key: nullable(string), value: anyJson }))
        .toTable(latest('rows', { value: anyJson, ...inMemory }))
      played.to(rows.toStream(), 'o5')
    },
  'addSource(S1,in) addSource(S2,in2) addProcessor(P1,S1,S2) addProcessor(P2,P1) addStateStore(ST,P2,P1) addSink(K1,out,P2,P1) addSource(S3,in3) addSink(K3,<extractor>,S3)':
    (played) => {
      const store = keyValueStore('ST', { key: string, value: anyJson, changelog: false, ...inMemory })
      const first = timed('P1', { stores: [store], inputs: [played.stream('in2')] })
      const once = played.stream().process(first)
      played.to(once.process(timed('P2', { stores: ['ST'] })))
      played.to(once)
      played.toOneOf(played.stream('in3'), ['out3'], () => 'out3')
    },
}

function timed(name: string, more: Pick<Step, 'stores' | 'inputs'> = {}): Step {
  return {
    name,
    operator: 'process',
    create: () => ({
      process: (record, context) => context.forward(withValue(record, `${record.value}@${record.timestamp}`)),
    }),
    ...more,
  }
}

function pair(left: unknown, right: unknown): string {
  return `${left}|${right}`
}
