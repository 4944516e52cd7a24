import type { Producer, ProducerRecord, TopicPartition, Transaction } from '../../../src/runtime/broker.ts'
import { type Log, text } from './harness.ts'

interface Actor {
  readonly producer: Producer
  transaction?: Transaction | undefined
  sent: number
}

/**
 * Several producers that write to one partition, step by step: `a+` begins a transaction and sends a record, `a.` sends one more, `a!`
 * commits, `a-` aborts; any other word is sent without a transaction. The records of producer `a` are `a0`, `a1` ...
 */
export class Schedule {
  readonly #log: Log
  readonly #place: TopicPartition
  readonly #record: (place: TopicPartition, value: string) => ProducerRecord
  readonly #actors = new Map<string, Actor>()

  constructor(
    log: Log,
    place: TopicPartition,
    record: (place: TopicPartition, value: string) => ProducerRecord = text,
  ) {
    this.#log = log
    this.#place = place
    this.#record = record
  }

  async play(steps: string): Promise<void> {
    const plain = await this.#log.producer()
    for (const step of steps.split(' ')) {
      const match = /^(\w)([+.!-])$/.exec(step)
      if (match) await this.#act(await this.#actor(match[1] ?? ''), step)
      else await plain.send([this.#record(this.#place, step)])
    }
  }

  async #actor(name: string): Promise<Actor> {
    const actor = this.#actors.get(name) ?? { producer: await this.#log.producer(this.#log.name(name)), sent: 0 }
    this.#actors.set(name, actor)
    return actor
  }

  async #act(actor: Actor, step: string): Promise<void> {
    const [name = '', action = ''] = step
    actor.transaction ??= await actor.producer.begin()
    if (action === '+' || action === '.') {
      await actor.transaction.send([this.#record(this.#place, `${name}${actor.sent++}`)])
      return
    }
    await (action === '!' ? actor.transaction.commit() : actor.transaction.abort())
    actor.transaction = undefined
  }
}
