/** An answer that is not 200, with the words of the server. */
export class ApiError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }

  static badInput(text: string): ApiError {
    return new ApiError(400, `Wrong input: ${text}`)
  }

  static badRequest(text: string): ApiError {
    return new ApiError(400, `Bad request: ${text}`)
  }

  static notFound(text: string): ApiError {
    return new ApiError(404, `Not found: ${text}`)
  }

  static conflict(text: string): ApiError {
    return new ApiError(409, `Wrong input: ${text}`)
  }

  static inference(): ApiError {
    const reason = 'InferenceService URL not configured - please provide valid address in config'
    return new ApiError(500, `Service internal error: ${reason}`)
  }

  static noPoint(id: string | number | bigint): ApiError {
    return ApiError.notFound(`No point with id ${id} found`)
  }

  static noCollection(name: string): ApiError {
    return ApiError.notFound(`Collection \`${name}\` doesn't exist!`)
  }
}
