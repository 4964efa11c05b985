export async function POST(request) {
  const text = await request.text();
  await new Promise((resolve) => setTimeout(resolve, 20));
  return new Response(text);
}
