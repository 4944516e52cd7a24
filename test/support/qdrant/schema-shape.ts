/** Requests about payload indexes and aliases. */
import type { Json } from './json.ts'
import { type JsonPath, jsonPath } from './json-path.ts'
import {
  boolean,
  type Decode,
  json,
  jsonObject,
  list,
  maybe,
  noVariant,
  option,
  optional,
  required,
  string,
  struct,
  untagged,
  usize,
  variants,
} from './serde.ts'
import { nested, type Problem, problem } from './validation.ts'

/** An option with a serde default. */
const some = <T>(decode: Decode<T>) => optional<T | undefined>(option(decode), () => undefined)

const indexTypes = ['keyword', 'integer', 'float', 'geo', 'text', 'bool', 'datetime', 'uuid'] as const
export type IndexType = (typeof indexTypes)[number]

/** Parameters in the order in which the server prints them; null ones are printed, absent ones are not. */
export type IndexParams = Readonly<Record<string, Json | undefined>> & { readonly type: IndexType }

export interface FieldSchema {
  readonly type: IndexType
  readonly params: IndexParams | undefined
}

const common = { on_disk: some(boolean), enable_hnsw: some(boolean) }
const stopwords = untagged<Json>(noVariant('StopwordsInterface'), string, jsonObject)

const paramKinds: readonly Decode<Readonly<Record<string, Json | undefined>>>[] = [
  struct('KeywordIndexParams', { type: required(variants('keyword')), is_tenant: some(boolean), ...common }),
  struct('IntegerIndexParams', {
    type: required(variants('integer')),
    lookup: maybe(boolean),
    range: maybe(boolean),
    is_principal: maybe(boolean),
    ...common,
  }),
  struct('FloatIndexParams', { type: required(variants('float')), is_principal: maybe(boolean), ...common }),
  struct('GeoIndexParams', { type: required(variants('geo')), ...common }),
  struct('TextIndexParams', {
    type: required(variants('text')),
    tokenizer: optional(variants('prefix', 'whitespace', 'word', 'multilingual'), () => 'word' as const),
    min_token_len: some(usize),
    max_token_len: some(usize),
    lowercase: some(boolean),
    ascii_folding: some(boolean),
    phrase_matching: some(boolean),
    stopwords: some(stopwords),
    on_disk: some(boolean),
    stemmer: some(json),
    enable_hnsw: some(boolean),
  }),
  struct('BoolIndexParams', { type: required(variants('bool')), ...common }),
  struct('DatetimeIndexParams', { type: required(variants('datetime')), is_principal: maybe(boolean), ...common }),
  struct('UuidIndexParams', { type: required(variants('uuid')), is_tenant: some(boolean), ...common }),
]

/** These are printed as null when they were not given. */
const alwaysPrinted = ['lookup', 'range', 'is_principal']

function schemaOf(params: Readonly<Record<string, Json | undefined>>): FieldSchema {
  const type = indexTypes.find((candidate) => candidate === params.type) ?? 'keyword'
  const printed = Object.entries(params).map(([key, value]) => [
    key,
    value === undefined && alwaysPrinted.includes(key) ? null : value,
  ])
  return { type, params: { ...Object.fromEntries(printed), type } }
}

const fieldSchema = untagged<FieldSchema>(
  noVariant('PayloadFieldSchema'),
  (node, way) => ({ type: variants(...indexTypes)(node, way), params: undefined }),
  (node, way) => schemaOf(untagged(noVariant('PayloadSchemaParams'), ...paramKinds)(node, way)),
)

export interface CreateIndex {
  readonly field_name: JsonPath
  readonly field_schema: FieldSchema | undefined
}

export const createIndex = struct<CreateIndex>('CreateFieldIndex', {
  field_name: required(jsonPath),
  field_schema: maybe(fieldSchema, ['field_type']),
})

export function indexProblems({ field_schema }: CreateIndex): Problem[] {
  if (field_schema?.params?.lookup !== false || field_schema.params.range !== false) return []
  const rule = "the 'lookup' and 'range' capabilities can't be both disabled"
  return nested('field_schema', [problem('lookup', rule)])
}

export type AliasAction =
  | { readonly create_alias: { readonly collection_name: string; readonly alias_name: string } }
  | { readonly delete_alias: { readonly alias_name: string } }
  | { readonly rename_alias: { readonly old_alias_name: string; readonly new_alias_name: string } }

const aliasAction = untagged<AliasAction>(
  noVariant('AliasOperations'),
  struct('CreateAliasOperation', {
    create_alias: required(struct('CreateAlias', { collection_name: required(string), alias_name: required(string) })),
  }),
  struct('DeleteAliasOperation', {
    delete_alias: required(struct('DeleteAlias', { alias_name: required(string) })),
  }),
  struct('RenameAliasOperation', {
    rename_alias: required(
      struct('RenameAlias', { old_alias_name: required(string), new_alias_name: required(string) }),
    ),
  }),
)

export const changeAliases = struct('ChangeAliasesOperation', { actions: required(list(aliasAction)) })
