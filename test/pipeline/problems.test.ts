import { describe, expect, test } from 'vitest'
import { linesOf, type PipelineSurroundings, pipelineOf, problemsOf, smallPipeline } from '../support/pipelines.ts'

const lines = (text: string, surroundings?: PipelineSurroundings) => linesOf(problemsOf(text, surroundings))

describe('a pipeline file that is wrong', () => {
  test('gets every problem at once, with its place, what was expected and the nearest valid name', () => {
    const text = `aplication: docs
kafka:
  brokers: [127.0.0.1]
  sasl: { mechanism: scram, username: a, password:hunter2 }
  ssl: { ca: 1, crt: x }
source:
  topik: documents
  format: jsn
chunker: { min: 900, max: 1000 }
collection: docs
model:
  onnx: { model: all-MiniLM-L6-v2, device: cuad, workers: 0, maxBatchTokens: no }
  tei: { urls: foo }
index:
  qdrant:
    collection: a/b
    apiKey: \${NOPE}
    url: \${file:/nowhere}
    requestTimeoutMs: 1.5
runtime: { commitIntervalMs: -1, processingGuarantee: exactly-once }
deadLetters: later
`
    expect(lines(text)).toEqual([
      '1:1 application: is missing; expected text',
      '1:1 aplication: there is no such key (application)',
      '3:13 kafka.brokers[0]: must be host:port',
      '4:22 kafka.sasl.mechanism: expected one of plain, scram-sha-256, scram-sha-512 or "oauthbearer"',
      '5:14 kafka.ssl.ca: expected text, not a number',
      '5:17 kafka.ssl.crt: there is no such key (cert)',
      '6:1 source.topic: is missing; expected text',
      '7:3 source.topik: there is no such key (topic)',
      '8:11 source.format: expected one of json, avro, jsonSchema, protobuf, text, file (json)',
      '9:1 chunker: chunks of 900 to 1000 characters cannot be cut. Set `max` to 1 or more, and `min` to at most half of it',
      '10:1 collection: there is no such key here; it belongs to index.qdrant',
      '11:1 model: needs exactly one of onnx, hash, tei, openAiCompatible, ollama',
      '12:44 model.onnx.device: expected one of cpu, cuda, tensorrt, webgpu, dml, coreml, auto (cuda)',
      '12:59 model.onnx.workers: must be at least 1',
      '12:78 model.onnx.maxBatchTokens: expected a whole number or "measure", not text',
      '13:16 model.tei.urls: must be an http or https address',
      '16:17 index.qdrant.collection: must be letters, digits, dots, dashes and underscores',
      '17:13 index.qdrant.apiKey: the environment variable NOPE is not set',
      '18:10 index.qdrant.url: the file /nowhere cannot be read (ENOENT)',
      '19:23 index.qdrant.requestTimeoutMs: expected a whole number',
      '20:30 runtime.commitIntervalMs: must be at least 1',
      '20:55 runtime.processingGuarantee: expected one of at_least_once, exactly_once (exactly_once)',
      '21:14 deadLetters: expected a section with keys, not text',
    ])
  })

  test('is told of sections that are missing with what they need', () => {
    expect(lines('application: a\n')).toEqual([
      '1:1 source: is missing; expected a section with topic',
      '1:1 model: is missing; it needs exactly one of onnx, hash, tei, openAiCompatible, ollama',
      '1:1 index: is missing; it needs exactly one of qdrant, sqlite',
    ])
  })

  test('is told in one message, a line each, in the order of the file', () => {
    expect(() => pipelineOf(`${smallPipeline}kafak:\nzzz: 1\n`)).toThrow(
      'CONFIG_INVALID: millrace.yaml has 2 problems:\n' +
        '  - millrace.yaml:5:1 kafak: there is no such key; did you mean "kafka"?\n' +
        '  - millrace.yaml:6:1 zzz: there is no such key here; known are application, kafka, schemaRegistry, source, document, filter, chunker, model, index, runtime, deadLetters\n' +
        'Correct each of the listed problems.',
    )
  })

  test('shows the first hundred of very many problems', () => {
    const many = Array.from({ length: 130 }, (_, at) => `zzz${at}: 1\n`).join('')

    expect(() => pipelineOf(`${smallPipeline}${many}`)).toThrow(
      /^CONFIG_INVALID: .* has 130 problems:\n( {2}- .*\n){100} {2}and 30 more\n/,
    )
    expect(problemsOf(`${smallPipeline}${many}`)).toHaveLength(130)
  })

  test.each<[string, string, string[]]>([
    ['nothing', '', ['1:1 the file is empty']],
    ['a comment alone', '# later\n', ['1:1 the file is empty']],
    ['a text', 'documents', ['1:1 expected a section with keys, not text']],
    ['a list', '- a\n', ['1:1 expected a section with keys, not a list']],
    ['tabs', 'source:\n\ttopic: a\n', ['2:1 the line is indented with a tab; YAML wants spaces']],
    ['a key twice', `${smallPipeline}application: again\n`, ['5:1 application: the key stands there twice']],
    ['__proto__', `${smallPipeline}__proto__: { polluted: true }\n`, ['5:1 "__proto__" cannot be a key']],
    ['a key that is no text', `${smallPipeline}1: a\n`, ['5:1 a key must be text']],
    ['a key that is a list', `${smallPipeline}? [a]\n: b\n`, ['5:3 a key must be text']],
    ['a merge key', `${smallPipeline}<<: { a: 1 }\n`, ['5:1 merge keys (<<) are not taken']],
    [
      'an alias without anchor',
      `${smallPipeline}runtime: *missing\n`,
      ['5:10 runtime: the alias names an anchor that does not stand above it'],
    ],
    ['a tag', 'application: !secret x\n', ['1:14 tags like !name are not taken']],
    [
      'tags of YAML itself',
      smallPipeline.replace('documents\n', '!!binary aGVsbG8=\n').replace('model: {', 'model: !!map {'),
      ['1:23 application: tags like !name are not taken', '3:14 model: tags like !name are not taken'],
    ],
    ['a directive', '%YAML 1.1\n---\napplication: a\n', ['1:1 directives like %YAML are not taken']],
    ['two documents', 'a: 1\n---\nb: 2\n', ['2:1 the file holds a second document (---); write one pipeline a file']],
    ['an open bracket', 'a: [1, 2', ['1:9 the indentation does not fit the lines above, or a bracket is not closed']],
    ['an open quote', 'a: "b', ['1:6 a quote, a bracket or a comma is missing, or the colon behind a key']],
    [
      'two colons',
      'a: b: c',
      ['1:4 a value holds a second ": ", or its indentation does not fit; put text with a colon in quotes'],
    ],
    [
      'a reference in a bracket without quotes',
      `a: { b: \${X} }`,
      [`1:10 something stands here that does not belong here; inside of [ ] and { } a value with \${...} needs quotes`],
    ],
    ['10 MB', `# ${'x'.repeat(10_000_000)}`, ['1:1 the file is larger than 256 KiB, which no pipeline is']],
    ['100,000 brackets', '['.repeat(100_000), ['1:1 the file has more than 2,000 brackets, which no pipeline has']],
    [
      'lists in lists without end',
      `a: ${'['.repeat(100)}${']'.repeat(100)}`,
      ['1:68 aliases unfold to more than 10,000 values, or the file is nested too deeply'],
    ],
  ])('that holds %s gets one clear sentence', (_, text, expected) => {
    expect(lines(text)).toEqual(expected)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  test('that would make the parser run out of stack gets one clear sentence', () => {
    expect(lines('- '.repeat(50_000))).toEqual([expect.stringMatching(/^1:\d+ the file is nested too deeply$/)])
  })

  test('whose aliases unfold to billions of values is refused', () => {
    const bomb = ['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]']
    for (let level = 1; level < 12; level++) {
      const [name, before] = ['abcdefghijkl'[level], 'abcdefghijkl'[level - 1]]
      bomb.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(', ')}]`)
    }

    expect(lines(bomb.join('\n'))).toEqual([
      '1:11 aliases unfold to more than 10,000 values, or the file is nested too deeply',
    ])
  })

  test('whose alias holds itself is refused', () => {
    expect(lines('a: &a { b: *a }\n')).toEqual([
      '1:7 aliases unfold to more than 10,000 values, or the file is nested too deeply',
    ])
  })

  test.each<[string, string, string[]]>([
    [
      'a format without the field of the text',
      smallPipeline.replace('file', 'json'),
      ['1:1 document.text: is missing; with the format json it names the field that holds the text'],
    ],
    [
      'fields of a text',
      `${smallPipeline.replace('file', 'text')}document: { text: body, metadata: { a: b } }\nfilter: [{ field: $key, equals: a }, { any: [{ field: c, equals: a }] }]\n`,
      [
        '5:19 document.text: a text has no fields; this one is never there',
        '5:40 document.metadata.a: a text has no fields; this one is never there',
        '6:55 filter[1].any[0].field: a text has no fields; this one is never there',
      ],
    ],
    [
      'fields that files do not have',
      `${smallPipeline}document: { title: name, metadata: { a: path } }\n`,
      ['5:20 document.title: a file has the fields path and text; this one is never there'],
    ],
    [
      'requests that may outlive their owner',
      `${smallPipeline.replace("sqlite: { path: ':memory:' }", 'qdrant: { collection: a, requestTimeoutMs: 5000 }')}runtime: { rebalanceTimeoutMs: 6000 }\n`,
      [
        '4:53 index.qdrant.requestTimeoutMs: must be at most half of runtime.sessionTimeoutMs and runtime.rebalanceTimeoutMs: 3000',
      ],
    ],
    [
      'a key over plain http',
      smallPipeline.replace(
        "sqlite: { path: ':memory:' }",
        'qdrant: { collection: a, url: "http://example.com", apiKey: abcdef }',
      ),
      [
        '4:10 index.qdrant: an API key would travel unencrypted to http://example.com. Use https, or a server on this machine',
      ],
    ],
    [
      'a path that is none',
      `${smallPipeline}filter: [{ field: a..b, exists: true }, { any: [] }, 3]\n`,
      [
        '5:19 filter[0].field: must be the path of a field: author.name, tags.0 or /author/name, or $key',
        '5:43 filter[1].any: must not be empty',
        '5:54 filter[2]: expected a section with keys, not a number',
      ],
    ],
    [
      'metadata that is set by Millrace',
      `${smallPipeline}document: { metadata: { source: path } }\n`,
      ['5:25 document.metadata.source: is set by Millrace'],
    ],
    [
      'a colon without its blank, which may be a secret',
      `${smallPipeline}kafka: { sasl: { mechanism: plain, username: a, password:hunter2 } }\n`,
      [
        '5:10 kafka.sasl.password: is missing; expected text',
        '5:49 kafka.sasl: there is a key that is no name; behind the colon of a key stands a blank',
      ],
    ],
    [
      'a password beside a token',
      `${smallPipeline}kafka: { sasl: { mechanism: oauthbearer, username: a, tokenfile: b } }\n`,
      [
        '5:10 kafka.sasl.tokenFile: is missing; expected text',
        '5:42 kafka.sasl.username: does not go with the other keys here',
        '5:55 kafka.sasl.tokenfile: there is no such key (tokenFile)',
      ],
    ],
    [
      'one half of a certificate',
      `${smallPipeline}kafka: { ssl: { cert: x } }\n`,
      ['5:10 kafka.ssl: `cert` and `key` go together'],
    ],
    [
      'one half of a certificate in files',
      `${smallPipeline}kafka: { ssl: { certFile: /etc/kafka/client.pem } }\n`,
      ['5:10 kafka.ssl: `certFile` and `keyFile` go together'],
    ],
    [
      'a certificate as text and as a file',
      `${smallPipeline}kafka: { ssl: { ca: x, caFile: /etc/kafka/ca.pem } }\n`,
      ['5:10 kafka.ssl: has a certificate twice, as text and as a file'],
    ],
    [
      'two tests in one condition, and none',
      `${smallPipeline}filter: [{ field: a, equals: 1, exists: true }, { field: b }]\n`,
      [
        '5:10 filter[0]: needs exactly one of equals, notEquals, in, notIn, exists, atLeast, atMost, startsWith, endsWith, contains',
        '5:49 filter[1]: needs exactly one of equals, notEquals, in, notIn, exists, atLeast, atMost, startsWith, endsWith, contains',
      ],
    ],
  ])('with %s', (_, text, expected) => {
    expect(lines(text)).toEqual(expected)
  })
})

describe('a pipeline file', () => {
  test('may have sections whose keys are all comments', () => {
    expect(lines(`${smallPipeline}kafka:\n  # ssl: true\nchunker:\nfilter:\n`)).toEqual([])
  })

  test('may use anchors', () => {
    const { settings } = pipelineOf(
      `${smallPipeline.replace('documents\n', '&name documents\n')}deadLetters: { topic: *name }\n`,
    )

    expect(settings.deadLetterTopic).toBe('documents')
  })

  test('takes numbers, and true and false, from references', () => {
    const surroundings = { environment: { N: '250', YES: 'true' }, files: { '/n': '7\n' } }
    const text = `${smallPipeline}runtime: { commitIntervalMs: "\${N}", maxOpenGenerations: "\${file:/n}" }\nkafka: { ssl: "\${YES}", clientId: "\${N}" }\n`

    const { settings, kafka } = pipelineOf(text, surroundings)

    expect(settings).toMatchObject({ commitIntervalMs: 250, maxOpenGenerations: 7 })
    expect(kafka).toMatchObject({ ssl: true, clientId: '250' })
  })

  test('says of a reference that gives no number what was expected', () => {
    const text = `${smallPipeline}runtime: { commitIntervalMs: "\${N:-soon}" }\n`

    expect(lines(text)).toEqual(['5:30 runtime.commitIntervalMs: expected a whole number, not text'])
  })
})
