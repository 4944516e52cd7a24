/** Shard keys: every request may have some, and no collection here is sharded by hand. */
import { ApiError } from './api-error.ts'
import { debugString, list, maybe, string, u64, untagged } from './serde.ts'

type ShardKey = string | number | bigint

const key = untagged<ShardKey>('Expected a string or an integer', string, u64)

/** One key, or several of them. */
export type ShardKeys = readonly ShardKey[]

export const shardKeys = maybe(
  untagged<ShardKeys>('Expected a string or an integer', (node, way) => [key(node, way)], list(key)),
)

export function refuseShardKeys(keys: ShardKeys | undefined, refusal: (text: string) => ApiError): void {
  const first = keys?.[0]
  if (first === undefined) return
  throw refusal(`Shard key ${typeof first === 'string' ? debugString(first) : first} not found`)
}

/** Of changes, which must go somewhere. */
export function refuseShardsOfChange(keys: ShardKeys | undefined): void {
  if (keys?.length === 0) throw ApiError.badInput('Empty shard keys selection')
  refuseShardKeys(keys, ApiError.badInput)
}
