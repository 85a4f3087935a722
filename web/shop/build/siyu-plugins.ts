import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

const BASE = '/h5/'
const set = createRequire(import.meta.url)('@iconify-json/tdesign/icons.json') as {
  icons: Record<string, { body: string }>
}

function filesUnder(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
}

/**
 * `virtual:icons`: data URLs of exactly the glyphs that the source names (in a `<t-icon>` tag,
 * `glyph="x"`, `icon: 'x'`). TDesign's own icon component is replaced by ours, because it loads a
 * font from a foreign host.
 */
export function icons(): Plugin {
  const id = 'virtual:icons'
  return {
    name: 'siyu-icons',
    enforce: 'pre',
    resolveId(source, importer) {
      if (source === id) return '\0' + id
      if (
        importer &&
        /[\\/]@tdesign[\\/]uniapp[\\/]/.test(importer) &&
        /icon\/icon(\.vue)?$/.test(source)
      )
        return resolve('src/components/t-icon/t-icon.vue')
    },
    load(loaded) {
      if (loaded !== '\0' + id) return
      const named = new Set(['close'])
      for (const file of filesUnder(resolve('src'), /\.(vue|ts)$/)) {
        const text = readFileSync(file, 'utf8')
        for (const [, name] of text.matchAll(/(?:\bicon: ?|\bglyph=)["']([a-z0-9-]+)["']/g))
          named.add(name)
        for (const [, dynamic, value] of text.matchAll(/<t-icon\b[^>]*?\s(:?)name="([^"]+)"/g))
          if (!dynamic) named.add(value)
          else for (const [, name] of value.matchAll(/[?:] '([a-z0-9-]+)'/g)) named.add(name)
      }
      named.delete('none') // uni.showToast's word for no icon
      const glyphs: Record<string, string> = {}
      for (const name of named) {
        if (!set.icons[name]) this.error(`no icon is called ${name}`)
        const body = set.icons[name].body.replace(/currentColor/g, '#000')
        glyphs[name] =
          `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">${body}</svg>`)}`
      }
      return `export default ${JSON.stringify(glyphs)}`
    },
  }
}

/**
 * Cuts uni-h5's shadow images, which lie on a foreign host, and fails the build on any other
 * foreign address in CSS.
 */
export function noForeignHosts(): Plugin {
  return {
    name: 'siyu-no-foreign-hosts',
    enforce: 'post',
    generateBundle(_, bundle) {
      for (const asset of Object.values(bundle)) {
        if (asset.type !== 'asset' || !/\.(css|wxss)$/.test(asset.fileName)) continue
        const css = String(asset.source).replace(
          /url\(["']?https:\/\/cdn\.dcloud\.net\.cn[^)]*\)/g,
          'none',
        )
        const foreign = css.match(/url\(["']?(https?:)?\/\/[^)]*/)
        if (foreign) this.error(`${asset.fileName} loads ${foreign[0]}`)
        asset.source = css
      }
    },
  }
}

/**
 * H5 first paint: what the home page needs is loaded at once; the entry is started by index.html
 * after its first paint.
 */
export function firstPaint(home = /pages-home-home/): Plugin {
  return {
    name: 'siyu-first-paint',
    enforce: 'post',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        if (!bundle) return html
        const wanted = new Set<string>()
        const add = (name: string): void => {
          const chunk = bundle[name]
          if (!chunk || wanted.has(name)) return
          wanted.add(name)
          if (chunk.type !== 'chunk') return
          chunk.imports.forEach(add)
          chunk.viteMetadata?.importedCss.forEach((css) => wanted.add(css))
        }
        Object.keys(bundle)
          .filter((name) => home.test(name) && name.endsWith('.js'))
          .forEach(add)
        // A script waits for the style sheets before it, so index.html's own goes first; the home
        // page's styles come with the rest.
        const styles = new Set(html.match(/<link rel="stylesheet"[^>]*>/g))
        for (const name of wanted)
          if (name.endsWith('.css'))
            styles.add(`<link rel="stylesheet" crossorigin href="${BASE}${name}">`)
        const scripts = [...wanted]
          .filter((name) => name.endsWith('.js'))
          .map((name) => `<link rel="modulepreload" crossorigin href="${BASE}${name}">`)
        return html
          .replace(
            /<script type="module"[^>]*src="([^"]+)"><\/script>/,
            '<link id="program" rel="modulepreload" crossorigin href="$1">',
          )
          .replace(/<link rel="stylesheet"[^>]*>\n?/g, '')
          .replace('</head>', `${[...styles, ...scripts].join('')}</head>`)
      },
    },
  }
}

/**
 * Writes .br and .gz beside every text asset of the H5 build, so that the server never compresses
 * on the fly.
 */
export function precompress(): Plugin {
  let folder = ''
  return {
    name: 'siyu-precompress',
    enforce: 'post',
    apply: () => process.env.UNI_PLATFORM === 'h5',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir)
    },
    closeBundle() {
      if (process.env.NODE_ENV !== 'production') return
      for (const file of filesUnder(folder, /\.(js|css|html|svg)$/)) {
        const raw = readFileSync(file)
        writeFileSync(`${file}.gz`, gzipSync(raw, { level: 9 }))
        writeFileSync(
          `${file}.br`,
          brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
        )
      }
    },
  }
}
