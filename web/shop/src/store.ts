import { platform } from './platform'

/** Small values kept on the device, apart for each shop (and each person of the sandbox phone). */
let owner = ''
let memory: Map<string, unknown> | null = null

/**
 * Keeps values under `person`; without one, in memory only: two people must never share a login.
 */
export function keepFor(person: string | undefined): void {
  owner = person ?? ''
  memory = person === undefined ? new Map() : null
}

const name = (key: string): string => `siyu.${platform.shopCode()}${owner && `.${owner}`}.${key}`

export function load<T>(key: string): T | null {
  if (memory) return (memory.get(key) as T) ?? null
  try {
    return (uni.getStorageSync(name(key)) as T) || null
  } catch {
    return null // private browsing may forbid storage: the shop works without memory
  }
}

export function save(key: string, value: unknown): void {
  if (memory) return void memory.set(key, value)
  try {
    if (value === null) uni.removeStorageSync(name(key))
    else uni.setStorageSync(name(key), value)
  } catch {
    // as above
  }
}
