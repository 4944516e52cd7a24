import type { Board } from './board.ts'
import { embedding } from './boards/embedding.ts'
import { index } from './boards/index-writes.ts'
import { overview } from './boards/overview.ts'
import { runtime } from './boards/runtime.ts'
import { tasks } from './boards/tasks.ts'

export const boards: readonly Board[] = [overview, tasks, embedding, index, runtime]
