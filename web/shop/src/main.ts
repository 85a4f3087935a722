import { createSSRApp } from 'vue'
import App from './App.vue'
import './theme.css'
// #ifdef H5
// The first screen belongs to the entry: over HTTP/1.1 every further file waits for a free
// connection.
import './pages/home/home.vue'
// #endif

export function createApp() {
  return { app: createSSRApp(App) }
}
