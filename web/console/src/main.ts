import { createPinia } from 'pinia'
import { createApp } from 'vue'
import 'tdesign-vue-next/es/style/index.css'
import App from './App.vue'
import { watchTables } from './cards'
import { i18n } from './locales'
import { router } from './router'
import './theme.css'

createApp(App).use(createPinia()).use(i18n).use(router).mount('#app')
watchTables(document.body)
