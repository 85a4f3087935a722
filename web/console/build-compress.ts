// Lays a .br and a .gz beside each text asset; the server sends what the browser takes.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

export function compress(): Plugin {
  let out = 'dist'
  return {
    name: 'siyu-compress',
    apply: 'build',
    configResolved: (config) => void (out = config.build.outDir),
    closeBundle() {
      for (const name of readdirSync(out, { recursive: true }) as string[]) {
        if (!/\.(js|css|svg|json)$/.test(name)) continue
        const body = readFileSync(join(out, name))
        if (body.length < 1024) continue
        writeFileSync(join(out, `${name}.br`), brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }))
        writeFileSync(join(out, `${name}.gz`), gzipSync(body, { level: 9 }))
      }
    },
  }
}
