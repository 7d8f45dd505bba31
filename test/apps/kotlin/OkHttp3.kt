// OkHttp 4 turned these functions into properties, and docs/apps.md uses the properties. Debian has
// OkHttp 3: with it, they come from here.
import okhttp3.Response
import okhttp3.ResponseBody

val Response.code: Int get() = code()
val Response.body: ResponseBody? get() = body()
