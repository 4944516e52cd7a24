import type { NamespaceBase, ReflectionObject, Root, Type } from 'protobufjs'
import type { CompleteSchema } from './schemas.ts'

/** The messages of one .proto file. */
export interface MessageFile {
  /** The message at a path of places. Throws for one that leads nowhere. */
  typeAt(path: readonly number[]): Type
  /** Throws for a name that the file does not have. */
  pathOf(fullName: string): readonly number[]
}

/** Only says something about other files. */
const annotations = 'confluent/meta.proto'
/** What options of one's own extend. */
const descriptor = 'google/protobuf/descriptor.proto'

/**
 * Reads a file with everything that it imports. Well-known types are there without being referred to. Loads protobufjs, which only those
 * need who use Protobuf. Throws for what cannot be parsed, and for imports that are missing.
 */
export async function messageFile({ text, imports }: CompleteSchema): Promise<MessageFile> {
  const { default: protobuf } = await import('protobufjs')
  const { default: descriptorJson } = await import('protobufjs/google/protobuf/descriptor.json', {
    with: { type: 'json' },
  })
  const root = new protobuf.Root()
  const given = new Set(imports.map(({ name }) => name))
  const add = (source: string): void => {
    const { imports: wanted = [], weakImports = [] } = protobuf.parse(source, root, { keepCase: true })
    for (const path of [...wanted, ...weakImports]) {
      if (given.has(path) || path === annotations) continue
      const known = path === descriptor ? descriptorJson : protobuf.common.get(path)
      if (!known?.nested) throw new TypeError(`it imports ${path}, which it does not refer to`)
      given.add(path)
      root.addJSON(known.nested)
    }
  }
  for (const { text: imported } of imports) add(imported)
  add(text)
  root.resolveAll()
  // Alone it tells which messages are its own: a package may span several files.
  const alone = protobuf.parse(text, { keepCase: true })
  const isMessage = (object: ReflectionObject): object is Type =>
    object instanceof protobuf.Type && !('group' in object && object.group)
  const own = alone.package === undefined ? alone.root : alone.root.lookup(alone.package)
  return fileOf(root, own instanceof protobuf.Namespace ? own : alone.root, isMessage)
}

function fileOf(root: Root, own: NamespaceBase, isMessage: (object: ReflectionObject) => object is Type): MessageFile {
  const messagesIn = (parent: NamespaceBase) => parent.nestedArray.filter(isMessage)
  const typeAt = (path: readonly number[]): Type => {
    let found: NamespaceBase = own
    for (const place of path) {
      const message = messagesIn(found)[place]
      if (!message) throw new RangeError(`the file has no message at ${path.join('.')}`)
      found = message
    }
    return root.lookupType(found.fullName)
  }
  const pathIn = (parent: NamespaceBase, fullName: string): number[] | undefined => {
    for (const [place, message] of messagesIn(parent).entries()) {
      if (message.fullName === fullName) return [place]
      const inside = pathIn(message, fullName)
      if (inside) return [place, ...inside]
    }
    return undefined
  }
  return {
    typeAt,
    pathOf: (name) => {
      const path = pathIn(own, `.${name}`)
      if (!path) throw new TypeError(`it has no message ${name}`)
      return path
    },
  }
}
