/** Places on the earth: boxes, circles, polygons. */
import { Float, type Json } from './json.ts'
import { plainFloat } from './numbers.ts'
import { custom, type Decode, f64, list, maybe, required, struct } from './serde.ts'

export interface GeoPoint {
  readonly lon: number
  readonly lat: number
}

export interface GeoBox {
  readonly top_left: GeoPoint
  readonly bottom_right: GeoPoint
}

export interface GeoRadius {
  readonly center: GeoPoint
  readonly radius: number
}

export interface GeoPolygon {
  readonly exterior: { readonly points: readonly GeoPoint[] }
  readonly interiors: readonly { readonly points: readonly GeoPoint[] }[] | undefined
}

const rawPoint = struct<{ lon: number; lat: number }>('GeoPointShadow', { lon: required(f64), lat: required(f64) })

export const geoPoint: Decode<GeoPoint> = (node, way) => {
  const point = rawPoint(node, way)
  if (Math.abs(point.lon) <= 180 && Math.abs(point.lat) <= 90) return point
  const [lat, lon] = [plainFloat(point.lat), plainFloat(point.lon)]
  throw custom(
    `Wrong format of GeoPoint payload: expected \`lat\` = ${lat} within [-90;90] and \`lon\` = ${lon} within [-180;180]`,
  )
}

export const geoBox = struct<GeoBox>('GeoBoundingBox', {
  top_left: required(geoPoint),
  bottom_right: required(geoPoint),
})

export const geoRadius = struct<GeoRadius>('GeoRadius', { center: required(geoPoint), radius: required(f64) })

const line = struct<{ points: GeoPoint[] }>('GeoLineString', { points: required(list(geoPoint)) })
const rawPolygon = struct<{ exterior: { points: GeoPoint[] }; interiors: { points: GeoPoint[] }[] | undefined }>(
  'GeoPolygonShadow',
  { exterior: required(line), interiors: maybe(list(line)) },
)

export const geoPolygon: Decode<GeoPolygon> = (node, way) => {
  const polygon = rawPolygon(node, way)
  for (const { points } of [polygon.exterior, ...(polygon.interiors ?? [])]) checkLine(points)
  return polygon
}

function checkLine(points: readonly GeoPoint[]): void {
  if (points.length <= 3) {
    throw custom(`Validation failed: polygon invalid, the size must be at least 4, got ${points.length}`)
  }
  const [first, last] = [points[0], points.at(-1)]
  if (first?.lat !== last?.lat || first?.lon !== last?.lon) {
    throw custom(
      'Validation failed: polygon invalid, the first and the last points should be the same to form a closed line',
    )
  }
}

/** The place that a payload value names, checked for range or not. */
export function geoPointOf(value: Json): GeoPoint | undefined {
  if (!(value instanceof Map)) return undefined
  const [lon, lat] = [numberOf(value.get('lon')), numberOf(value.get('lat'))]
  return lon === undefined || lat === undefined ? undefined : { lon, lat }
}

export function numberOf(value: Json | undefined): number | undefined {
  if (value instanceof Float) return value.value
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
}

export function isInBox({ top_left, bottom_right }: GeoBox, { lon, lat }: GeoPoint): boolean {
  const crossesDateLine = top_left.lon > bottom_right.lon
  const isBetween = crossesDateLine
    ? lon > top_left.lon || lon < bottom_right.lon
    : top_left.lon < lon && lon < bottom_right.lon
  return isBetween && bottom_right.lat < lat && lat < top_left.lat
}

const earthRadiusMeters = 6371008.8

/** Haversine distance in meters. */
export function distance(a: GeoPoint, b: GeoPoint): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180
  const [deltaLat, deltaLon] = [radians(b.lat - a.lat), radians(b.lon - a.lon)]
  const square =
    Math.sin(deltaLat / 2) ** 2 + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * Math.sin(deltaLon / 2) ** 2
  return 2 * Math.asin(Math.sqrt(square)) * earthRadiusMeters
}

export const isInRadius = (area: GeoRadius, point: GeoPoint) => distance(area.center, point) < area.radius

export function isInPolygon({ exterior, interiors = [] }: GeoPolygon, point: GeoPoint): boolean {
  return isInRing(exterior.points, point) && !interiors.some(({ points }) => isInRing(points, point))
}

/** Even-odd rule. */
function isInRing(ring: readonly GeoPoint[], { lon, lat }: GeoPoint): boolean {
  let isInside = false
  ring.forEach((end, index) => {
    const start = ring[index - 1]
    if (!start || start.lat > lat === end.lat > lat) return
    const crossing = start.lon + ((lat - start.lat) / (end.lat - start.lat)) * (end.lon - start.lon)
    if (lon < crossing) isInside = !isInside
  })
  return isInside
}
