/**
 * Random UUID (version 4). The mini program has no `crypto`, and these ids need to be unique, not
 * secret.
 */
export function uuid(): string {
  const bytes = new Uint8Array(16)
  // #ifdef H5
  crypto.getRandomValues(bytes)
  // #endif
  // #ifndef H5
  for (let i = 0; i < 16; i++) bytes[i] = Math.random() * 256
  // #endif
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const KEY = 'siyu.device'
/**
 * The key this phone or browser made for itself: coupons may count per device, and a commission of
 * one's own purchase is looked at.
 */
export function device(): string {
  const known = uni.getStorageSync(KEY)
  if (typeof known === 'string' && known) return known
  const made = uuid()
  uni.setStorageSync(KEY, made)
  return made
}
