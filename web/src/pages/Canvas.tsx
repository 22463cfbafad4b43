import { Page } from "../layout/Page"

export function CanvasPage() {
  return <Page title="Canvas">{null}</Page>
}
