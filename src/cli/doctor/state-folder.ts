import { constants } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { reasonOf, StreamError } from '../../errors.ts'
import { requireStateFormat } from '../../state/state-directory.ts'
import { bytesText } from './bytes-text.ts'
import { type Check, type Finding, type Given, ok, problem, warning } from './check.ts'

type Inputs = Pick<Given, 'machine' | 'program'>

/** The folder of the local stores: rights, the version that wrote it, and who works in it. */
export const stateFolder: Check<'machine' | 'program'> = {
  name: 'state folder',
  needs: ['machine', 'program'],
  async examine({ machine, program }) {
    const folder = folderOf({ machine, program })
    await requireWritable(folder)
    const format = await requireStateFormat(folder)
    const holder = await machine.lockHolder(join(folder, 'meta', 'LOCK'))
    if (holder !== undefined) return [inUse(folder, holder)]
    return [ok(format === undefined ? `${folder} will be made` : `${folder} is writable, and nobody works in it`)]
  },
}

function inUse(folder: string, holder: number): Finding {
  return warning(
    `process ${holder} works in ${folder}`,
    'If it is this application, all is well; another instance on this machine needs a folder of its own (`--state`).',
  )
}

/** Where LevelDB stops. */
const leastBytes = 256 * 1024 * 1024
const fewBytes = 2 * 1024 * 1024 * 1024

/** Room for the local stores. */
export const disk: Check<'machine' | 'program'> = {
  name: 'disk',
  needs: ['machine', 'program'],
  async examine({ machine, program }) {
    const folder = await existing(folderOf({ machine, program }))
    const free = await machine.freeBytes(folder)
    const fact = `${bytesText(free)} are left on the disk of ${folder}`
    const fix =
      'Free or add disk, or choose another with `--state`; what is in the folder can be restored from changelogs.'
    if (free < leastBytes) return [problem(fact, fix)]
    return free < fewBytes ? [warning(fact, fix)] : [ok(fact)]
  },
}

function folderOf({ program: { settings } }: Inputs): string {
  return resolve(settings.stateDirectory, settings.application)
}

/** The folder, or what it would be made in. Throws STATE_IO. */
async function requireWritable(folder: string): Promise<void> {
  const place = await existing(folder)
  try {
    await readdir(place)
    await access(place, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new StreamError('STATE_IO', `${place} cannot be written: ${reasonOf(cause)}`, {
      fix: 'Give the user of this process rights on it (in Kubernetes `fsGroup`), or choose another folder with `--state`.',
      cause,
    })
  }
}

/** The nearest folder above that is there. */
async function existing(folder: string): Promise<string> {
  try {
    await access(folder, constants.F_OK)
    return folder
  } catch {
    return folder === dirname(folder) ? folder : existing(dirname(folder))
  }
}
