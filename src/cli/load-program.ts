import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { RuntimeSettingsInput } from '../config.ts'
import { isStreamError, reasonOf, StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { KafkaConnection } from '../pipeline/compile.ts'
import type { Pipeline } from '../pipeline/read-pipeline.ts'
import type { Topology } from '../topology/topology.ts'
import { loadTopology } from './load-topology.ts'
import { modelsFolder } from './model/options.ts'

/** A topology, and what its file says about running it: a pipeline file all of it, a topology file nothing. */
export interface Program {
  readonly topology: Topology
  readonly kafka?: KafkaConnection
  readonly settings?: RuntimeSettingsInput
}

/** A pipeline (.yaml, .yml), or a topology in TypeScript or JavaScript. Throws TOPOLOGY_FILE, TOPOLOGY_INVALID, CONFIG_INVALID. */
export async function loadProgram(file: string, logger?: Logger): Promise<Program> {
  return isPipelineFile(file) ? loadPipeline(file, logger) : { topology: await loadTopology(file) }
}

export function isPipelineFile(file: string): boolean {
  return ['.yaml', '.yml'].includes(extname(file).toLowerCase())
}

/** Throws TOPOLOGY_FILE when it cannot be read, CONFIG_INVALID with everything that is wrong in it. */
export async function loadPipeline(file: string, logger?: Logger): Promise<Pipeline> {
  const text = await textOf(file)
  // Only who has such a file pays for the YAML parser at the start.
  const { readPipeline, readSecretFile } = await import('../pipeline/index.ts')
  return readPipeline(text, {
    name: file,
    environment: process.env,
    readFile: readSecretFile,
    modelsFolder: modelsFolder(),
    ...(logger && { logger }),
  })
}

/** The section `kafka` of a YAML file. Throws TOPOLOGY_FILE when it cannot be read, CONFIG_INVALID with everything that is wrong in it. */
export async function loadKafkaConnection(file: string): Promise<KafkaConnection> {
  const text = await textOf(file)
  const { readKafkaConnection, readSecretFile } = await import('../pipeline/index.ts')
  return readKafkaConnection(text, { name: file, environment: process.env, readFile: readSecretFile })
}

/** More than a pipeline may have, less than hurts. */
const maxFileBytes = 1024 * 1024

async function textOf(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > maxFileBytes) throw new StreamError('TOPOLOGY_FILE', `${file} has ${size} bytes, which no pipeline has`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (cause) {
    if (isStreamError(cause)) throw cause
    if (cause instanceof TypeError)
      throw new StreamError('TOPOLOGY_FILE', `${file} is no UTF-8 text`, { fix: 'Save it as UTF-8.' })
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const fact = isMissing ? `there is no file ${file}` : `${file} cannot be read: ${reasonOf(cause)}`
    throw new StreamError('TOPOLOGY_FILE', fact, { fix: 'Name an existing pipeline file.', cause })
  }
}
