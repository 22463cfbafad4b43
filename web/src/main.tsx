import "./theme.css"
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { createBrowserRouter } from "react-router"
import { RouterProvider } from "react-router/dom"
import { loadConfig } from "./api/config"
import { Problem } from "./api/problem"
import { AuthGate } from "./auth/AuthGate"
import { takeTokenFromAddress } from "./auth/token"
import { routes } from "./routes"
import { ConfigContext } from "./config"
import { Failed, Loading } from "./ui/State"
import { startTheme } from "./ui/theme"
import { ToastProvider } from "./ui/Toast"

const MAX_RETRIES = 2

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // what the API refuses it refuses again
      retry: (count, error) =>
        count < MAX_RETRIES &&
        !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
})

const router = createBrowserRouter(routes, { basename: "/app" })

function App() {
  const config = useQuery({ queryKey: ["config"], queryFn: loadConfig, staleTime: Infinity })
  if (config.isPending) return <Loading what="πlot" />
  if (config.isError) return <Failed error={config.error} onRetry={() => void config.refetch()} />
  return (
    <ConfigContext.Provider value={config.data}>
      <AuthGate config={config.data}>
        <RouterProvider router={router} />
      </AuthGate>
    </ConfigContext.Provider>
  )
}

startTheme()
takeTokenFromAddress(location, history)
const root = document.getElementById("root")
if (root === null) throw new Error("index.html has no #root")
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <ToastProvider>
        <App />
      </ToastProvider>
    </QueryClientProvider>
  </StrictMode>,
)
