/** A rule of the protocol taken out of the code: what to find, exactly once in the file, and what to put there. */
export interface Mutant {
  /** The rule that it breaks. */
  readonly name: string
  readonly patches: readonly Patch[]
}

export interface Patch {
  readonly file: string
  readonly find: string
  readonly replacement: string
}

export const mutants: readonly Mutant[] = [
  {
    name: 'offsets are committed before the changelogs (O before C)',
    patches: [
      {
        file: 'src/runtime/commit/checkpoint.ts',
        find: `await writeChangelogs(records, options)
  tellWritten(changes, options)
  await failpoint('before-offsets')
`,
        replacement: `[]
`,
      },
      {
        file: 'src/runtime/commit/checkpoint.ts',
        find: `  await failpoint('before-local-state')
`,
        replacement: `  await failpoint('before-offsets')
  const late = await writeChangelogs(records, options)
  await failpoint('before-local-state')
`,
      },
      {
        file: 'src/runtime/commit/checkpoint.ts',
        find: `positionsAfter(changes, written)`,
        replacement: `positionsAfter(changes, late)`,
      },
    ],
  },
  {
    name: 'a commit does not wait for the index (no S)',
    patches: [
      {
        file: 'src/runtime/nodes/node-graph.ts',
        find: `pass.follow(running.node.name, this.#traced(running, record, pass.inFlight, pass.signal))`,
        replacement: `void this.#traced(running, record, pass.inFlight, pass.signal).catch(() => undefined)`,
      },
    ],
  },
  {
    name: 'the changelog is written before the index has acknowledged (C before S)',
    patches: [
      {
        file: 'src/runtime/nodes/generation.ts',
        find: `return oldest?.complete ? oldest : undefined`,
        replacement: `return oldest`,
      },
      {
        file: 'src/runtime/commit/checkpoint.ts',
        find: `  if (!generation.complete)
    throw new StreamError('ILLEGAL_STATE', \`generation \${generation.id} was committed before it was complete\`)
`,
        replacement: '',
      },
      {
        file: 'src/runtime/commit/checkpoint.ts',
        find: `  await failpoint('before-offsets')
`,
        replacement: `  while (!generation.complete && !signal.aborted) await new Promise((resolve) => setImmediate(resolve))
  await failpoint('before-offsets')
`,
      },
    ],
  },
  {
    name: 'generations are committed out of order',
    patches: [
      {
        file: 'src/runtime/nodes/generation.ts',
        find: `    const oldest = this.#frozen[0]
    return oldest?.complete ? oldest : undefined`,
        replacement: `    return this.#frozen.find((generation) => generation.complete)`,
      },
      {
        file: 'src/runtime/nodes/generation.ts',
        find: `if (this.#frozen[0] === generation) this.#frozen.shift()`,
        replacement: `this.#frozen.splice(this.#frozen.indexOf(generation), 1)`,
      },
    ],
  },
  {
    name: 'writes beyond the gate go to the newest generation',
    patches: [
      {
        file: 'src/runtime/nodes/contexts.ts',
        find: `return this.#scope.inFlight.generation.id`,
        replacement: `return this.services.openGeneration()`,
      },
    ],
  },
  {
    name: 'no gate: several records of a key at once',
    patches: [
      {
        file: 'src/runtime/nodes/gate.ts',
        find: `if (this.#passes.has(waiting.key) || this.#held.has(waiting.key)) this.#enqueue(waiting)
    else this.#start(waiting)`,
        replacement: `this.#start(waiting)`,
      },
    ],
  },
  {
    name: 'no open mark before the first write',
    patches: [
      {
        file: 'src/runtime/tasks/task-manager.ts',
        find: `await retrying(say, { clock, logger, signal: task.signal, what: 'committing the open mark' })`,
        replacement: `void say`,
      },
    ],
  },
  {
    name: 'clean is written inside the recovery window',
    patches: [
      {
        file: 'src/runtime/tasks/task-manager.ts',
        find: `task.offsets(task.recovering ? 'quiet' : 'clean')`,
        replacement: `task.offsets('clean')`,
      },
    ],
  },
  {
    name: 'no reconcile inside the recovery window',
    patches: [
      {
        file: 'src/operators/diff.ts',
        find: `return manifest?.dirty === false && !context.recovering`,
        replacement: `return manifest?.dirty === false`,
      },
    ],
  },
  {
    name: 'the window ends at the log end found at restart',
    patches: [
      {
        file: 'src/runtime/work/recovery-windows.ts',
        find: `        if (task.recovering && task.hasReached(endOf)) task.closeWindow()`,
        replacement: `        const first = ends_.get(task) ?? latest
        ends_.set(task, first)
        if (task.recovering && task.hasReached((partition) => first.get(partitionKey(partition)))) task.closeWindow()`,
      },
      {
        file: 'src/runtime/work/recovery-windows.ts',
        find: `/**
 * Asks where logs end`,
        replacement: `const ends_ = new WeakMap<Task, Map<string, number>>()

/**
 * Asks where logs end`,
      },
    ],
  },
  {
    name: 'a dead letter leaves a manifest that is not dirty',
    patches: [
      {
        file: 'src/operators/diff.ts',
        find: `store.put(record.key, { ...(before ?? emptyManifest(context)), dirty: true })`,
        replacement: `store.put(record.key, { ...(before ?? emptyManifest(context)), dirty: false })`,
      },
    ],
  },
  {
    name: 'a record is done before its dead letter is durable',
    patches: [
      {
        file: 'src/runtime/nodes/node-graph.ts',
        find: `this.#options.giveUp({ ...failure, inFlight }).then(end.done)`,
        replacement: `void this.#options.giveUp({ ...failure, inFlight })
      end.done()`,
      },
    ],
  },
  {
    name: 'a task that is not drained counts as drained',
    patches: [
      {
        file: 'src/runtime/tasks/task-manager.ts',
        find: `if ((await task.suspend(signal)) && wasRunning) this.#drained.add(task)`,
        replacement: `await task.suspend(signal)
        if (wasRunning) this.#drained.add(task)`,
      },
    ],
  },
  {
    name: 'no wait for the lease of the owner before',
    patches: [
      {
        file: 'src/runtime/task-factory.ts',
        find: `marks.includes('open') ? clock.now() + requestTimeoutOf(topology, subtopology) : 0`,
        replacement: `0`,
      },
    ],
  },
  {
    name: 'an owner that does not hear of its group goes on writing',
    patches: [
      {
        file: 'src/runtime/commit/group-lease.ts',
        find: `return age >= 0 && age < sessionTimeoutMs - requestTimeoutMs`,
        replacement: `return age >= 0`,
      },
    ],
  },
  {
    name: 'a cut-off owner appends to its changelogs',
    patches: [
      { file: 'src/runtime/commit/checkpoint.ts', find: `requireLease(options.lease)`, replacement: `undefined` },
    ],
  },
  {
    name: 'a cut-off owner opens a transactional producer',
    patches: [
      {
        file: 'src/runtime/commit/task-transactions.ts',
        find: `    requireLease(lease)
    const producer = await openProducer()
    this.#producer = producer
    requireLease(lease)`,
        replacement: `    const producer = await openProducer()
    this.#producer = producer`,
      },
    ],
  },
  {
    name: 'a closed task tries again',
    patches: [{ file: 'src/runtime/nodes/gate.ts', find: `    if (this.#aborted) return\n`, replacement: `` }],
  },
  {
    name: 'dedupe drops what it knows inside the recovery window',
    patches: [
      {
        file: 'src/operators/dedupe.ts',
        find: `sameBytes(known, digest) && !context.recovering`,
        replacement: `sameBytes(known, digest)`,
      },
    ],
  },
  {
    name: 'the local store is written before the index has acknowledged (W before S)',
    patches: [
      {
        file: 'src/runtime/nodes/generation.ts',
        find: `return oldest?.complete ? oldest : undefined`,
        replacement: `return oldest`,
      },
      {
        file: 'src/state/task-state.ts',
        find: `  /** The changelog offset up to`,
        replacement: `  async early(generation: number): Promise<void> {
    await this.#disk?.write(this.#overlayChanges(generation, this.#disk))
  }

  /** The changelog offset up to`,
      },
      {
        file: 'src/runtime/commit/checkpoint.ts',
        find: `  if (!generation.complete)
    throw new StreamError('ILLEGAL_STATE', \`generation \${generation.id} was committed before it was complete\`)
`,
        replacement: `  await state.early(generation.id)
  while (!generation.complete && !signal.aborted) await new Promise((resolve) => setImmediate(resolve))
`,
      },
    ],
  },
]
