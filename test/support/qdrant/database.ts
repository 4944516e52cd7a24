/** Everything that a server holds: collections, aliases, snapshots. */
import { createHash, randomUUID } from 'node:crypto'
import { ApiError } from './api-error.ts'
import { Collection } from './collection.ts'
import { badNameCharacter, type CreateCollection } from './collection-shape.ts'
import type { AliasAction } from './schema-shape.ts'
import type { Answer } from './write-json.ts'

/** The directory that error texts speak of. */
export const serverRoot = '/qdrant'

export interface Snapshot {
  readonly name: string
  readonly creation_time: string
  readonly size: number
  readonly checksum: string
}

export class Database {
  readonly collections = new Map<string, Collection>()
  readonly #aliases = new Map<string, string>()
  /** By collection; the empty name stands for the whole server. */
  readonly #snapshots = new Map<string, Snapshot[]>([['', []]])
  readonly peerId = Number.parseInt(randomUUID().slice(0, 12).replace('-', ''), 16)

  find(name: string): Collection | undefined {
    return this.collections.get(this.#aliases.get(name) ?? name)
  }

  require(name: string): Collection {
    const collection = this.find(name)
    if (!collection) throw ApiError.noCollection(name)
    return collection
  }

  create(name: string, request: CreateCollection): void {
    checkVectorNames(request)
    if (this.collections.has(name)) throw ApiError.conflict(`Collection \`${name}\` already exists!`)
    if (this.#aliases.has(name)) {
      throw ApiError.badInput(`Can't create collection with name ${name}. Alias with the same name already exists`)
    }
    if (name === '.' || name === '..') {
      const path = `${serverRoot}/storage/collections/${name}`
      throw new ApiError(500, `Service internal error: Invalid path to delete: ${path}`)
    }
    this.collections.set(name, new Collection(name, request))
  }

  /** Aliases of the collection go with it. An alias itself is not deleted. */
  drop(name: string): boolean {
    for (const [alias, target] of this.#aliases) if (target === name) this.#aliases.delete(alias)
    return this.collections.delete(name)
  }

  aliases(collection?: string): Answer {
    return [...this.#aliases]
      .filter(([, target]) => collection === undefined || target === collection)
      .map(([alias, target]) => ({ alias_name: alias, collection_name: target }))
  }

  /** Actions happen one after the other; those before a failing one stay done. */
  changeAlias(action: AliasAction): void {
    if ('create_alias' in action) {
      const { collection_name, alias_name } = action.create_alias
      if (!this.collections.has(collection_name)) throw ApiError.noCollection(collection_name)
      if (this.collections.has(alias_name)) throw ApiError.conflict(`Collection \`${alias_name}\` already exists!`)
      this.#aliases.set(alias_name, collection_name)
    } else if ('delete_alias' in action) this.#aliases.delete(action.delete_alias.alias_name)
    else this.#renameAlias(action.rename_alias)
  }

  #renameAlias(names: { readonly old_alias_name: string; readonly new_alias_name: string }): void {
    const target = this.#aliases.get(names.old_alias_name)
    if (target === undefined) throw ApiError.notFound(`Alias ${names.old_alias_name} does not exists!`)
    this.#aliases.delete(names.old_alias_name)
    this.#aliases.set(names.new_alias_name, target)
  }

  snapshots(owner: string): readonly Snapshot[] {
    return this.#snapshots.get(owner) ?? []
  }

  takeSnapshot(owner: string): Snapshot {
    const now = new Date().toISOString().slice(0, 19)
    const prefix = owner === '' ? 'full-snapshot' : `${owner}-${this.peerId}`
    const snapshot: Snapshot = {
      name: `${prefix}-${now.replaceAll(/[T:]/g, '-')}.snapshot`,
      creation_time: now,
      size: 44544,
      checksum: createHash('sha256').update(`${owner} ${now}`).digest('hex'),
    }
    this.#snapshots.set(owner, [...this.snapshots(owner).filter(({ name }) => name !== snapshot.name), snapshot])
    return snapshot
  }

  dropSnapshot(owner: string, name: string): void {
    const known = this.#snapshots.get(owner)
    if (!known) throw ApiError.notFound(`Snapshot directory: ${serverRoot}/snapshots/${owner} not found`)
    if (!known.some((snapshot) => snapshot.name === name)) throw ApiError.notFound(`Snapshot ${name} not found`)
    this.#snapshots.set(
      owner,
      known.filter((snapshot) => snapshot.name !== name),
    )
  }
}

function checkVectorNames({ vectors, sparse_vectors }: CreateCollection): void {
  const sparse = [...(sparse_vectors?.keys() ?? [])]
  const dense = vectors.isSingle ? [] : [...vectors.params.keys()]
  for (const [kind, names] of [
    ['dense', dense],
    ['sparse', sparse],
  ] as const) {
    for (const name of names) {
      const bad = badVectorName(name)
      if (bad) throw ApiError.badInput(`Invalid ${kind} vector name \`${name}\`: ${bad}`)
    }
  }
  if (sparse.includes('')) throw ApiError.badInput('Sparse vector name cannot be empty')
  const duplicate = dense.find((name) => sparse.includes(name))
  if (duplicate !== undefined) {
    throw ApiError.badInput(`Dense and sparse vector names must be unique - duplicate found with '${duplicate}'`)
  }
}

export function badVectorName(name: string): string | undefined {
  if (Buffer.byteLength(name) > 200) return 'vector name must be at most 200 bytes long'
  return badNameCharacter(name, 'vector name')
}
