import uniPlugin from '@dcloudio/vite-plugin-uni'
import { defineConfig } from 'vite'
import { firstPaint, icons, noForeignHosts, precompress } from './build/siyu-plugins'

// The package is "type": "module", so Node loads the plugin's CommonJS build: the callable is under
// .default.
const uni = (uniPlugin as unknown as { default?: typeof uniPlugin }).default ?? uniPlugin

/**
 * H5: two chunks of pages besides the home page. Small chunks compress badly (a quarter of these
 * pages' weight), and the next page is then there already.
 */
function pagesTogether(id: string): string | undefined {
  const path = id.split('?')[0]
  if (/\/src\/(money|people|commerce\/after_sale)\//.test(path)) return 'account'
  if (/\/src\/(commerce|pages\/(categories|cart|me))\//.test(path)) return 'shop'
}
const chunks = { manualChunks: pagesTogether, onlyExplicitManualChunks: true }

export default defineConfig({
  plugins: [icons(), uni(), noForeignHosts(), firstPaint(), precompress()],
  base: '/h5/',
  build: process.env.UNI_PLATFORM === 'h5' ? { rollupOptions: { output: chunks } } : {},
  css: { preprocessorOptions: { scss: { silenceDeprecations: ['legacy-js-api'] } } },
  server: {
    host: '127.0.0.1',
    proxy: { '/shop': 'http://127.0.0.1:8000', '/collect': 'http://127.0.0.1:8000' },
  },
})
