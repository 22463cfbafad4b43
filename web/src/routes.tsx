import { Navigate, type RouteObject } from "react-router"
import { Shell } from "./layout/Shell"
import { BrokenPage } from "./pages/Broken"
import { NotFoundPage } from "./pages/NotFound"

/** Below `/app`. Each page is a file of its own, loaded when it is gone to. */
export const routes: RouteObject[] = [
  {
    element: <Shell />,
    errorElement: <BrokenPage />,
    HydrateFallback: () => null,
    children: [
      {
        errorElement: <BrokenPage />,
        children: [
          { index: true, element: <Navigate to="/workflows" replace /> },
          {
            path: "workflows",
            lazy: async () => ({ Component: (await import("./pages/Workflows")).WorkflowsPage }),
          },
          {
            path: "workflows/:id",
            lazy: async () => ({ Component: (await import("./pages/Canvas")).CanvasPage }),
          },
          {
            path: "executions",
            lazy: async () => ({ Component: (await import("./pages/Executions")).ExecutionsPage }),
          },
          {
            path: "executions/:id",
            lazy: async () => ({ Component: (await import("./pages/Execution")).ExecutionPage }),
          },
          {
            path: "approvals",
            lazy: async () => ({ Component: (await import("./pages/Approvals")).ApprovalsPage }),
          },
          {
            path: "settings",
            lazy: async () => ({ Component: (await import("./pages/Settings")).SettingsPage }),
          },
          { path: "*", element: <NotFoundPage /> },
        ],
      },
    ],
  },
]
