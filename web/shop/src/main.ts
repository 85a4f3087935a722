import { createSSRApp } from 'vue'
import App from './App.vue'
import '@tdesign/uniapp/common/style/theme/index.css'
import './theme.css'

export function createApp() {
  return { app: createSSRApp(App) }
}
