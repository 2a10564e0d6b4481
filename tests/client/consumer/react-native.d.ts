// What docs/react-native.md uses of packages that are not installed here, as their own declarations have it.
declare const __DEV__: boolean
declare module 'react-native-get-random-values' {}
declare module 'react-native-url-polyfill/auto' {}
declare module '@react-native-async-storage/async-storage' {
  const AsyncStorage: {
    getItem(key: string): Promise<string | null>
    setItem(key: string, value: string): Promise<void>
    removeItem(key: string): Promise<void>
  }
  export default AsyncStorage
}
declare module '@react-native-community/netinfo' {
  const NetInfo: { addEventListener(listener: (state: { isConnected: boolean | null }) => void): () => void }
  export default NetInfo
}
declare module 'react-native' {
  import type { ComponentType, ReactNode } from 'react'
  export const AppState: {
    addEventListener(
      type: 'change',
      listener: (state: 'active' | 'background' | 'inactive' | 'unknown' | 'extension') => void,
    ): { remove(): void }
  }
  export const Platform: { OS: 'ios' | 'android' | 'macos' | 'windows' | 'web' }
  export const View: ComponentType<{ children?: ReactNode }>
  export const Text: ComponentType<{ children?: ReactNode }>
  export const Button: ComponentType<{ title: string; disabled?: boolean; onPress?: () => void }>
  export const TextInput: ComponentType<{
    value?: string
    onChangeText?: (text: string) => void
    keyboardType?: 'decimal-pad' | 'default'
  }>
}
