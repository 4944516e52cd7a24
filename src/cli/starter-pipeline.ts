/** What `millrace init` writes: a pipeline that runs as soon as there is a Kafka, and says what else there is. */
export const starterPipeline = `# yaml-language-server: $schema=node_modules/millrace/schema/pipeline.json
#
# Keeps a vector index equal to the documents of a Kafka topic. Every key: docs/pipelines.md
# A value may be \${VAR}, \${VAR:-default} or \${file:/path}; secrets belong in files.

# Names the consumer group, the internal topics and the state folder. Another name starts over.
application: documents

kafka:
  brokers: \${KAFKA_BROKERS:-127.0.0.1:9092}
  # ssl: true
  # sasl:
  #   mechanism: scram-sha-512
  #   username: millrace
  #   password: \${file:/run/secrets/kafka-password}

source:
  topic: documents
  # What a value is: \`file\` is what \`millrace produce\` writes, {path, text}. For objects of your own:
  # format: json
  format: file

# document:
#   text: body                 # the field that holds the text; needed with json
#   title: title
#   metadata:                  # comes with every hit
#     author: author.name
#     tags: tags

# Only documents that pass are in the index.
# filter:
#   - field: $key
#     endsWith: .md

# How documents are cut, in characters.
# chunker:
#   kind: markdown
#   min: 200
#   max: 1400

model:
  onnx:
    model: all-MiniLM-L6-v2    # comes with the package
  # Or a server:
  # tei:
  #   urls: [http://127.0.0.1:8080]

index:
  # One file, for one instance:
  sqlite:
    path: documents.db
  # Or a server, for as many instances as the topic has partitions:
  # qdrant:
  #   collection: documents
  #   url: \${QDRANT_URL:-http://127.0.0.1:6333}
  #   apiKey: \${file:/run/secrets/qdrant-key}

# runtime:
#   commitIntervalMs: 1000

# deadLetters:
#   onUndecodable: dead-letter # or skip, or fail
#   onFailedRecord: dead-letter
#   topic: documents-dead-letter
`
