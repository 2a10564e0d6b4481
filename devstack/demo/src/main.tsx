import './style.css'
import { render } from 'preact'
import { App } from './app'
import { openSite } from './site'

const root = document.getElementById('app')
if (root) {
  openSite().then(
    (site) => render(<App site={site} />, root),
    () =>
      render(<p class="notice error">The local system does not answer. Is make run still running?</p>, root),
  )
}
