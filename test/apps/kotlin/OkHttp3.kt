// docs/apps.md uses these properties of OkHttp 4. In OkHttp 3, which Debian has, they are functions. This file adds the
// properties.
import okhttp3.Response
import okhttp3.ResponseBody

val Response.code: Int get() = code()
val Response.body: ResponseBody? get() = body()
