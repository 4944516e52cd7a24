import {
  type Alias,
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from 'yaml'
import { type Path, type Place, type Problem, problemAt } from './problem.ts'
import type { YamlEntry, YamlNode } from './yaml-tree.ts'

export interface ParsedYaml {
  /** Undefined when the text is no YAML, or none that is taken. */
  readonly root: YamlNode | undefined
  readonly problems: readonly Problem[]
}

const maxBytes = 256 * 1024
/** The parser takes time with the square of them: six seconds for 100,000. */
const maxBrackets = 2_000
const maxValues = 10_000
const maxDepth = 64
const start: Place = { line: 1, column: 1 }

/**
 * Reads YAML 1.2 with the core schema. Refuses what a configuration has no use for and an attacker has: aliases that unfold without
 * end, `__proto__`, tags, directives, several documents, large files.
 *
 * The parser's own messages quote the text, which may hold a secret: each of its codes has a sentence here instead.
 */
export function parseYaml(text: string): ParsedYaml {
  if (Buffer.byteLength(text) > maxBytes) return refused('the file is larger than 256 KiB, which no pipeline is')
  if ((text.match(/[[{]/g)?.length ?? 0) > maxBrackets)
    return refused('the file has more than 2,000 brackets, which no pipeline has')
  const lines = new LineCounter()
  const document = parsed(text, lines)
  if (!document) return refused('the file is nested too deeply')
  const syntax = syntaxProblems(document, text, lines)
  if (syntax.length > 0) return { root: undefined, problems: syntax }
  if (document.contents === null) return refused('the file is empty')
  const reader = new TreeReader(lines)
  const root = reader.read(document.contents, [], 0)
  return reader.overflow ? { root: undefined, problems: [reader.overflow] } : { root, problems: reader.problems }
}

function refused(message: string): ParsedYaml {
  return { root: undefined, problems: [problemAt(start, [], message)] }
}

function parsed(text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      logLevel: 'error',
    })
  } catch {
    return undefined
  }
}

const sentences: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias can have no anchor and no tag',
  BAD_ALIAS: 'this is no alias',
  BAD_COLLECTION_TYPE: 'tags like !!set are not taken',
  BAD_DIRECTIVE: 'directives like %YAML are not taken',
  BAD_DQ_ESCAPE:
    'text in double quotes has an escape that YAML does not know; use single quotes, or \\\\ for a backslash',
  BAD_INDENT: 'the indentation does not fit the lines above, or a bracket is not closed',
  BAD_PROP_ORDER: 'an anchor or tag stands in the wrong place',
  BAD_SCALAR_START: 'a value cannot begin with @, ` or %; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a value holds a second ": ", or its indentation does not fit; put text with a colon in quotes',
  BLOCK_IN_FLOW: 'a block cannot stand inside of [ ] or { }',
  DUPLICATE_KEY: 'the key stands there twice',
  IMPOSSIBLE: 'this is no YAML',
  KEY_OVER_1024_CHARS: 'a key has more than 1,024 characters',
  MISSING_CHAR: 'a quote, a bracket or a comma is missing, or the colon behind a key',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines, or its colon is missing',
  MULTIPLE_ANCHORS: 'a value has two anchors',
  MULTIPLE_DOCS: 'the file holds a second document (---); write one pipeline a file',
  MULTIPLE_TAGS: 'a value has two tags',
  NON_STRING_KEY: 'a key must be text',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'the line is indented with a tab; YAML wants spaces',
  TAG_RESOLVE_FAILED: 'tags like !name are not taken',
  UNEXPECTED_TOKEN: 'something stands here that does not belong here',
}

function syntaxProblems(document: Document.Parsed, text: string, lines: LineCounter): readonly Problem[] {
  if (document.directives.yaml.explicit || Object.keys(document.directives.tags).some((tag) => tag !== '!!'))
    return [problemAt(start, [], sentences.BAD_DIRECTIVE)]
  const source = text.split('\n')
  const byLine = new Map<number, Problem>()
  for (const { code, pos } of [...document.errors, ...document.warnings]) {
    const place = placeAt(lines, pos[0])
    // One mistake makes the parser stumble several times over one line.
    if (byLine.has(place.line)) continue
    const isReference = /[[{,].*\$\{/.test(source[place.line - 1] ?? '') && code !== 'TAB_AS_INDENT'
    const hint = isReference ? `; inside of [ ] and { } a value with \${...} needs quotes` : ''
    byLine.set(place.line, problemAt(place, [], `${sentences[code]}${hint}`))
  }
  return [...byLine.values()]
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset)
  // The position 0, 0 is that of a counter which has seen no line.
  return line === 0 ? start : { line, column: col }
}

/** Turns the parser's nodes into a plain tree. Aliases are unfolded, within bounds. */
class TreeReader {
  readonly problems: Problem[] = []
  /** The file is more than is read; nothing else about it is of interest. */
  overflow: Problem | undefined
  readonly #lines: LineCounter
  /** Anchors that stand above what is being read; the last one of a name counts. */
  readonly #anchors = new Map<string, Node>()
  #values = 0

  constructor(lines: LineCounter) {
    this.#lines = lines
  }

  read(node: Node | null, path: Path, depth: number): YamlNode {
    const place = node?.range ? placeAt(this.#lines, node.range[0]) : start
    const nothing: YamlNode = { kind: 'scalar', value: null, ...place }
    this.#values++
    if (this.#values > maxValues || depth > maxDepth) {
      this.overflow ??= problemAt(
        place,
        [],
        'aliases unfold to more than 10,000 values, or the file is nested too deeply',
      )
      return nothing
    }
    if (isAlias(node)) return this.#unfolded(node, path, depth, place)
    if (node?.anchor) this.#anchors.set(node.anchor, node)
    if (node?.tag !== undefined) return this.#refused(sentences.TAG_RESOLVE_FAILED, path, place)
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node, path, depth), ...place }
    if (isSeq(node))
      return {
        kind: 'list',
        items: node.items.map((item, at) => this.read(item as Node, [...path, at], depth + 1)),
        ...place,
      }
    if (!isScalar(node)) return nothing
    const { value } = node
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return { ...nothing, value }
    return nothing
  }

  #unfolded(alias: Alias, path: Path, depth: number, place: Place): YamlNode {
    const target = this.#anchors.get(alias.source)
    if (target) return this.read(target, path, depth + 1)
    return this.#refused('the alias names an anchor that does not stand above it', path, place)
  }

  #refused(message: string, path: Path, place: Place): YamlNode {
    this.problems.push(problemAt(place, path, message))
    return { kind: 'scalar', value: '', broken: true, ...place }
  }

  #entries(map: YAMLMap, path: Path, depth: number): readonly YamlEntry[] {
    const seen = new Set<string>()
    return map.items.flatMap((pair) => {
      const entry = this.#entry(pair as Pair<Node, Node | null>, path, depth)
      if (!entry) return []
      if (seen.has(entry.key)) {
        this.problems.push(problemAt(entry.keyPlace, [...path, entry.key], sentences.DUPLICATE_KEY))
        return []
      }
      seen.add(entry.key)
      return [entry]
    })
  }

  #entry({ key, value }: Pair<Node, Node | null>, path: Path, depth: number): YamlEntry | undefined {
    const keyPlace = key.range ? placeAt(this.#lines, key.range[0]) : start
    const refusal = refusalOf(key)
    if (refusal === undefined && isScalar(key)) {
      const name = String(key.value)
      const node = this.read(value, [...path, name], depth + 1)
      // A key without a value has no place of its own.
      return { key: name, keyPlace, node: value?.range ? node : { ...node, ...keyPlace } }
    }
    this.problems.push(problemAt(keyPlace, path, refusal ?? sentences.NON_STRING_KEY))
    return undefined
  }
}

function refusalOf(key: Node): string | undefined {
  if (!isScalar(key) || typeof key.value !== 'string') return sentences.NON_STRING_KEY
  if (key.value === '<<') return 'merge keys (<<) are not taken'
  return key.value === '__proto__' ? '"__proto__" cannot be a key' : undefined
}
