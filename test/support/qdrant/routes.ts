/** Which handler answers which method and path. The first match counts. */
import * as collections from './collection-routes.ts'
import type { Exchange, Reply } from './exchange.ts'
import type { Faults } from './faults.ts'
import * as reads from './read-routes.ts'
import * as service from './service-routes.ts'
import * as updates from './update-routes.ts'

export type Handler = (exchange: Exchange) => Reply

export interface Route {
  readonly method: string
  readonly pattern: readonly string[]
  readonly handler: Handler
  /** Answered without a key. */
  readonly isOpen: boolean
}

export interface RouteMatch {
  readonly route: Route
  readonly path: Readonly<Record<string, string>>
}

type Table = readonly (readonly [string, Handler])[]

const serviceTable: Table = [
  ['GET /', service.root],
  ['GET /healthz', service.alive],
  ['GET /livez', service.alive],
  ['GET /readyz', service.ready],
  ['GET /cluster', service.cluster],
  ['GET /issues', service.issues],
  ['DELETE /issues', service.clearIssues],
  ['GET /telemetry', service.telemetry],
  ['GET /metrics', service.metrics],
  ['GET /aliases', collections.listAliases],
  ['GET /snapshots', collections.listSnapshots(true)],
  ['POST /snapshots', collections.takeSnapshot(true)],
  ['DELETE /snapshots/:snapshot', collections.dropSnapshot(true)],
]

const collectionTable: Table = [
  ['POST /collections/aliases', collections.postAliases],
  ['GET /collections', collections.listCollections],
  ['GET /collections/:collection', collections.getCollection],
  ['PUT /collections/:collection', collections.putCollection],
  ['PATCH /collections/:collection', collections.patchCollection],
  ['DELETE /collections/:collection', collections.dropCollection],
  ['GET /collections/:collection/exists', collections.collectionExists],
  ['GET /collections/:collection/aliases', collections.listCollectionAliases],
  ['GET /collections/:collection/cluster', collections.collectionCluster],
  ['GET /collections/:collection/optimizations', collections.collectionOptimizations],
  ['GET /collections/:collection/snapshots', collections.listSnapshots(false)],
  ['POST /collections/:collection/snapshots', collections.takeSnapshot(false)],
  ['DELETE /collections/:collection/snapshots/:snapshot', collections.dropSnapshot(false)],
  ['PUT /collections/:collection/index', updates.createFieldIndex],
  ['DELETE /collections/:collection/index/:field', updates.deleteFieldIndex],
  ['PUT /collections/:collection/vectors/:vector', updates.createVectorName],
  ['DELETE /collections/:collection/vectors/:vector', updates.deleteVectorName],
]

const pointTable = (faults: Faults): Table => [
  ['PUT /collections/:collection/points', updates.upsertPoints],
  ['POST /collections/:collection/points/delete', updates.deletePoints],
  ['PUT /collections/:collection/points/vectors', updates.updateVectors],
  ['POST /collections/:collection/points/vectors/delete', updates.deleteVectors],
  ['POST /collections/:collection/points/payload', updates.setPayload],
  ['PUT /collections/:collection/points/payload', updates.overwritePayload],
  ['POST /collections/:collection/points/payload/delete', updates.deletePayload],
  ['POST /collections/:collection/points/payload/clear', updates.clearPayload],
  ['POST /collections/:collection/points/batch', updates.updateBatch(faults)],
  ['POST /collections/:collection/points/search', reads.searchPoints],
  ['POST /collections/:collection/points/search/batch', reads.searchPointsBatch],
  ['POST /collections/:collection/points/search/groups', reads.searchPointGroups],
  ['POST /collections/:collection/points/query', reads.queryPoints],
  ['POST /collections/:collection/points/query/batch', reads.queryPointsBatch],
  ['POST /collections/:collection/points/query/groups', reads.queryPointGroups],
  ['POST /collections/:collection/facet', reads.facetPoints],
  ['POST /collections/:collection/points/scroll', reads.scrollPoints],
  ['POST /collections/:collection/points/count', reads.countPoints],
  ['GET /collections/:collection/points/:id', reads.retrievePoint],
  ['POST /collections/:collection/points', reads.retrievePoints],
]

const open = ['/', '/healthz', '/readyz', '/livez']

export function routeTable(faults: Faults): readonly Route[] {
  return [...serviceTable, ...collectionTable, ...pointTable(faults)].map(([target, handler]) => {
    const [method = '', pattern = ''] = target.split(' ')
    return { method, pattern: partsOf(pattern), handler, isOpen: open.includes(pattern) }
  })
}

/** Repeated and trailing slashes do not count. */
const partsOf = (path: string) => path.split('/').filter((part) => part !== '')

export function findRoute(routes: readonly Route[], method: string, path: string): RouteMatch | undefined {
  const parts = partsOf(path)
  for (const route of routes) {
    if (route.method !== method || route.pattern.length !== parts.length) continue
    if (!route.pattern.every((item, index) => item.startsWith(':') || item === parts[index])) continue
    const named = route.pattern.flatMap((item, index): [string, string][] =>
      item.startsWith(':') ? [[item.slice(1), decode(parts[index] ?? '')]] : [],
    )
    return { route, path: Object.fromEntries(named) }
  }
  return undefined
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
