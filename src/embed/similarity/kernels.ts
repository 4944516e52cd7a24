/** A vector: numbers of one space, one per dimension. What `embed` gives, or plain numbers. */
export type Vector = ArrayLike<number>

// The loops, without a check: sums are in double precision, also over vectors in single precision.

/** Dot product of two vectors of the same length; for unit vectors their cosine. */
export function dotOf(a: Vector, b: Vector): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0)
  return sum
}

/** Square of the length of the difference. */
export function squaredDistanceOf(a: Vector, b: Vector): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    sum += difference * difference
  }
  return sum
}

export function manhattanOf(a: Vector, b: Vector): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += Math.abs((a[at] ?? 0) - (b[at] ?? 0))
  return sum
}

/** NaN when one of the vectors is zero. Rounding never takes it out of -1 to 1. */
export function cosineOf(a: Vector, b: Vector): number {
  return clampedCosine(dotOf(a, b), Math.sqrt(dotOf(a, a)) * Math.sqrt(dotOf(b, b)))
}

export function clampedCosine(dot: number, lengths: number): number {
  return Math.max(-1, Math.min(1, dot / lengths))
}
