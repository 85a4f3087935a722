import { defineConfig } from 'vitest/config'
import { compress } from './build-compress'
import vue from '@vitejs/plugin-vue'
import AutoImport from 'unplugin-auto-import/vite'
import Components from 'unplugin-vue-components/vite'
import { TDesignResolver } from '@tdesign-vue-next/auto-import-resolver'
import { fileURLToPath, URL } from 'node:url'

export default defineConfig({
  base: '/console/',
  plugins: [
    vue(),
    compress(),
    AutoImport({ dts: 'src/auto-imports.d.ts', resolvers: [TDesignResolver({ library: 'vue-next' })] }),
    Components({ dts: 'src/components.d.ts', resolvers: [TDesignResolver({ library: 'vue-next' })] }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2020',
    chunkSizeWarningLimit: 700,
    rollupOptions: { output: { manualChunks(id) {
      if (/node_modules\/(echarts|zrender|vue-echarts)\//.test(id)) return 'echarts'
      if (/node_modules\/(vue|@vue|vue-router|pinia|vue-i18n|@intlify)\//.test(id)) return 'vue'
    } } },
  },
  server: { proxy: Object.fromEntries(['/admin/v1', '/media', '/shop/v1', '/h5'].map((path) => [path, process.env.SIYU_URL ?? 'http://127.0.0.1:8080'])) },
  test: { environment: 'happy-dom', server: { deps: { inline: ['tdesign-vue-next'] } } },
})
