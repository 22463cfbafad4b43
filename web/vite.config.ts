import react from "@vitejs/plugin-react"
import { defineConfig } from "vitest/config"

// `npm run dev` beside a running `pilot dev`: PILOT_API names the API's address
const target = process.env.PILOT_API ?? "http://127.0.0.1:8000"

export default defineConfig({
  base: "/app/",
  plugins: [react()],
  build: {
    outDir: "../api/canvas/build",
    emptyOutDir: true,
    target: "es2023",
    chunkSizeWarningLimit: 900,
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": target,
      "/app/config.json": target,
      "/ws": { target: target.replace(/^http/, "ws"), ws: true },
    },
  },
  test: {
    environment: "jsdom",
    globals: true,
    setupFiles: ["src/testing/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    css: false,
  },
})
