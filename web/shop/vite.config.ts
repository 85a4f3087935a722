import uniPlugin from '@dcloudio/vite-plugin-uni'
import { defineConfig } from 'vite'
import { firstPaint, icons, noForeignHosts, precompress } from './build/siyu-plugins'

// The package is "type": "module", so Node loads the plugin's CommonJS build: the callable is under
// .default.
const uni = (uniPlugin as unknown as { default?: typeof uniPlugin }).default ?? uniPlugin

export default defineConfig({
  plugins: [icons(), uni(), noForeignHosts(), firstPaint(), precompress()],
  base: '/h5/',
  css: { preprocessorOptions: { scss: { silenceDeprecations: ['legacy-js-api'] } } },
  server: {
    host: '127.0.0.1',
    proxy: { '/shop': 'http://127.0.0.1:8000', '/collect': 'http://127.0.0.1:8000' },
  },
})
