/** What a process holds on to at one moment, after collecting garbage. */
export interface SoakSample {
  readonly when: 'running' | 'closed'
  readonly heapUsed: number
  readonly external: number
  readonly rss: number
  readonly resources: number
  readonly files: number
  readonly timers: number
  readonly runtimes: number
}

export interface SoakReport {
  readonly samples: readonly SoakSample[]
  readonly faults: readonly string[]
  readonly warnings: readonly string[]
  readonly changes: number
  readonly commits: number
  readonly deadLetters: number
  readonly beats: number
}
