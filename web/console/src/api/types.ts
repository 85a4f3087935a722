// The types of answers and bodies by their address, which changes less often than the names of schemas.
import type { paths } from './schema'

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Json<T> = T extends { content: { 'application/json': infer Found } } ? Found : never

export type Answer<P extends keyof paths, M extends Method = 'get'> = paths[P] extends { [K in M]: { responses: { 200: infer R } } } ? Json<R> : never
export type Body<P extends keyof paths, M extends Method = 'post'> = paths[P] extends { [K in M]: { requestBody: infer R } } ? Json<R> : never
/** A row of a list, paged or not. */
export type Item<P extends keyof paths> = Answer<P> extends { items: (infer Row)[] } ? Row : Answer<P> extends (infer Row)[] ? Row : never
